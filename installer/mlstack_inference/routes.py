"""The gateway's route to every model: ``/serving/NAMESPACE/NAME/`` in one VirtualService. Pure.

Models that nobody can ask have none; what is left over below ``/serving/`` is answered by this program, which says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlstack_inference.model import Object, entry, is_serverless, predictors

PREFIX = "/serving/"
NAME = "models"
"""The VirtualService's name."""
SERVED_BY = "mlstack-served-by"
"""Header of an answer: the Service of the version that made it."""
API = "networking.istio.io/v1"


@dataclass(frozen=True, slots=True)
class Site:
    """Where routes are made. namespace: of this program and the VirtualService; gateway: ``namespace/name``;

    serverless: ``host:port`` of Knative's gateway, empty where there is none; domain: of its services' names.
    """

    namespace: str
    gateway: str
    serverless: str = ""
    domain: str = ""


def virtual_service(services: Iterable[Object], site: Site) -> Object:
    """The VirtualService for the models there are; the same models in another order give the same."""
    ordered = sorted(services, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))
    found = [route for service in ordered if (route := route_of(service, site))]
    return {
        "apiVersion": API,
        "kind": "VirtualService",
        "metadata": {"name": NAME, "namespace": site.namespace},
        "spec": {"gateways": [site.gateway], "hosts": ["*"], "http": [*found, _rest(site)]},
    }


def route_of(service: Object, site: Site) -> dict[str, Any]:
    """The route to one model; empty while none can answer."""
    metadata, spec = service["metadata"], service["spec"]
    if metadata.get("deletionTimestamp"):
        return {}
    destinations = _serverless(service, site) if is_serverless(service) else _standard(service)
    if not destinations:
        return {}
    path = f"{PREFIX}{metadata['namespace']}/{metadata['name']}/"
    route: dict[str, Any] = {
        "name": f"{metadata['namespace']}-{metadata['name']}",
        "match": [{"uri": {"prefix": path}}],
        "rewrite": {"uri": "/"},
        "route": destinations,
    }
    if is_serverless(service):
        route["rewrite"]["authority"] = f"{_first(service)}.{metadata['namespace']}.{site.domain}"
    seconds = (spec.get("transformer") or spec["predictor"]).get("timeout")
    if seconds:
        route["timeout"] = f"{seconds}s"
    return route


def _first(service: Object) -> str:
    return entry(service) or predictors(service)[0].service


def _standard(service: Object) -> list[dict[str, Any]]:
    """The versions' Services with their shares; a transformer is one Service, which asks the stable version."""
    stable, *canaries = predictors(service)
    namespace = service["metadata"]["namespace"]
    if not stable.ready:
        return []
    if entry(service):
        return [_destination(entry(service), namespace, 100)]
    shares = [stable, *(one for one in canaries if one.ready)]
    return [_destination(one.service, namespace, one.share) for one in shares if one.share]


def _serverless(service: Object, site: Site) -> list[dict[str, Any]]:
    """Knative's own gateway, which knows the shares of revisions and wakes a model that sleeps."""
    if not site.serverless or not predictors(service)[0].ready:
        return []
    host, _, port = site.serverless.rpartition(":")
    return [{"destination": {"host": host, "port": {"number": int(port)}}, "weight": 100}]


def _destination(name: str, namespace: str, weight: int) -> dict[str, Any]:
    return {
        "destination": {"host": f"{name}.{namespace}.svc.cluster.local", "port": {"number": 80}},
        "weight": weight,
        "headers": {"response": {"set": {SERVED_BY: name}}},
    }


def _rest(site: Site) -> dict[str, Any]:
    host = f"inference.{site.namespace}.svc.cluster.local"
    return {
        "name": "no-model",
        "match": [{"uri": {"prefix": PREFIX}}],
        "route": [{"destination": {"host": host, "port": {"number": 80}}}],
    }


def asked_for(path: str) -> tuple[str, str]:
    """Namespace and name of the model that a path below ``/serving/`` is for; empty where it says none."""
    parts = path.partition("?")[0].removeprefix(PREFIX).split("/")
    return parts[0], parts[1] if len(parts) > 1 else ""


def differs(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Whether the VirtualService has to be written."""
    return live is None or live.get("spec") != wanted["spec"]
