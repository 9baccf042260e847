"""Where a gateway listens, for whom, and with which certificates. Pure.

Callers from outside come through the platform's gateway, which has ended their TLS: how they came is what it says in
``x-forwarded-proto``. Nobody else may reach those ports (the stack's NetworkPolicy).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlstack_ingress.claims import EXTERNAL, INTERNAL, scopes
from mlstack_ingress.clusters import TYPE, Resource
from mlstack_ingress.model import Ingress, Key, KeyPair
from mlstack_ingress.routes import EXTERNAL_TLS, INTERNAL_TLS

LISTENER = TYPE + "envoy.config.listener.v3.Listener"
MANAGER = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = TYPE + "envoy.extensions.filters.http.router.v3.Router"
SOCKET = TYPE + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
INSPECTOR = TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
POLL_PAUSE, POLL_TIMEOUT = "0.1s", "60s"
"""Between two questions of a gateway, and how long it waits for an answer that is held back until something changes."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where gateways listen. address: of the interface."""

    external: int = 8080
    internal: int = 8081
    external_tls: int = 8443
    internal_tls: int = 8444
    address: str = "0.0.0.0"  # noqa: S104  # in a pod; who may, the NetworkPolicy says


def listeners(ingresses: Iterable[Ingress], pairs: Mapping[Key, KeyPair], ports: Ports) -> tuple[Resource, ...]:
    """The plain listeners, and those with TLS where an Ingress has a certificate that is there."""
    made = [
        _listener(EXTERNAL, ports.address, ports.external, [_chain(EXTERNAL)]),
        _listener(INTERNAL, ports.address, ports.internal, [_chain(INTERNAL)]),
    ]
    everybody = list(ingresses)
    for scope, table, port in (
        (EXTERNAL, EXTERNAL_TLS, ports.external_tls),
        (INTERNAL, INTERNAL_TLS, ports.internal_tls),
    ):
        chains = [_chain(table, hosts, pair) for hosts, pair in _certified(everybody, scope, pairs)]
        if chains:
            inspector = {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": INSPECTOR}}
            made.append({**_listener(table, ports.address, port, chains), "listener_filters": [inspector]})
    return tuple(made)


def _certified(
    ingresses: list[Ingress], scope: str, pairs: Mapping[Key, KeyPair]
) -> Iterator[tuple[list[str], KeyPair]]:
    """Hosts with their certificate. A certificate serves only hosts that the same Ingress has rules for."""
    for one in ingresses:
        free = {host for rule in one.rules if scope in scopes(rule.local) for host in rule.hosts}
        for tls in one.tls:
            hosts = [host for host in tls.hosts if host in free]
            if hosts and tls.secret in pairs:
                free -= set(hosts)
                yield hosts, pairs[tls.secret]


def _listener(name: str, address: str, port: int, chains: list[Resource]) -> Resource:
    return {
        "@type": LISTENER,
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": chains,
    }


def _chain(table: str, hosts: list[str] | None = None, pair: KeyPair | None = None) -> Resource:
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(table)}
    chain: Resource = {"filters": [manager]}
    if hosts and pair:
        chain["filter_chain_match"] = {"server_names": hosts}
        certificate = {"certificate_chain": {"inline_string": pair.chain}, "private_key": {"inline_string": pair.key}}
        context = {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]}
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {"@type": SOCKET, "common_tls_context": context},
        }
    return chain


def _manager(table: str) -> dict[str, Any]:
    return {
        "@type": MANAGER,
        "stat_prefix": table,
        "use_remote_address": True,
        # one proxy, the platform's gateway, is before the outer ports and believed
        "xff_num_trusted_hops": 1 if table == EXTERNAL else 0,
        "stream_idle_timeout": "0s",
        "http2_protocol_options": {"allow_connect": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "server_header_transformation": "PASS_THROUGH",
        "rds": {"route_config_name": table, "config_source": polled()},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True}}
        ],
    }


def polled() -> Resource:
    """Where a gateway asks for configuration; it waits for the first answer, however long that takes."""
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": ["xds"],
            "refresh_delay": POLL_PAUSE,
            "request_timeout": POLL_TIMEOUT,
        },
    }
