"""Backends as clusters of Envoy. Pure."""

from __future__ import annotations

from typing import Any

from mlstack_ingress.backends import Backend

Resource = dict[str, Any]
TYPE = "type.googleapis.com/"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNBOUNDED = 1_000_000
"""Queues and bounds are the revision's own (its proxy and the activator); the gateway must not have smaller ones."""
CONNECTION_SECONDS = 30
"""After this long a connection takes no new request: the next one may reach new pods, or pods instead of the activator."""
IDLE_SECONDS = 15
"""Shorter than what a revision's proxy waits before it ends, so that it closes no connection just as a request is sent."""


def cluster(backend: Backend) -> Resource:
    """One cluster with one address."""
    endpoint = {"address": {"socket_address": {"address": backend.address, "port_value": backend.port}}}
    made: Resource = {
        "@type": CLUSTER,
        "name": backend.name,
        "type": "STRICT_DNS" if backend.resolve else "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": backend.name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        "circuit_breakers": {
            "thresholds": [
                dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)
            ]
        },
        "typed_extension_protocol_options": {HTTP: _protocol(backend)},
    }
    if backend.resolve:
        made["dns_lookup_family"] = "V4_PREFERRED"
    return made


def _protocol(backend: Backend) -> Resource:
    plain: Resource = (
        {"http2_protocol_options": {"allow_connect": True}} if backend.h2 else {"http_protocol_options": {}}
    )
    return {
        "@type": TYPE + HTTP,
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE_SECONDS}s",
            "max_connection_duration": f"{CONNECTION_SECONDS}s",
        },
        "explicit_http_config": plain,
    }
