"""A gateway as its objects describe it: where it listens, what is attached to it, how it reads paths. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from mlstack.core.authzmatch import selects, virtual_services
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.tls import covers
from mlstack.core.urlpath import Normalization
from mlstack.core.yamldoc import load_objects

KINDS = {
    "VirtualService": "networking.istio.io/v1",
    "Gateway": "networking.istio.io/v1",
    "AuthorizationPolicy": "security.istio.io/v1",
    "RequestAuthentication": "security.istio.io/v1",
    "EnvoyFilter": "networking.istio.io/v1alpha3",
}
"""Kinds that decide, with the version of their API that is read."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One listener of a gateway. namespace: of the gateway's workload, and the root of the mesh; labels: of its pods;

    gateways: ``namespace/name`` of those that serve the listener; names: its certificate is for, empty without TLS.
    """

    objects: Sequence[Object]
    namespace: str
    labels: Mapping[str, str]
    port: int
    gateways: tuple[str, ...]
    names: tuple[str, ...] = ()
    normalization: Normalization = "BASE"

    def policies(self, action: str) -> list[Object]:
        """The AuthorizationPolicies of an action that are for this gateway."""
        found = self._own("AuthorizationPolicy")
        return [obj for obj in found if obj["spec"].get("action", "ALLOW") == action]

    @property
    def authentications(self) -> list[Object]:
        """The RequestAuthentications that are for this gateway."""
        return self._own("RequestAuthentication")

    @property
    def open_points(self) -> list[str]:
        """What changes the gateway in ways that are not evaluated."""
        found = [obj for obj in self.objects if obj["kind"] == "EnvoyFilter" and self._is_here(obj)]
        return [f"EnvoyFilter/{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in found]

    def services(self, host: str) -> list[Object]:
        """The VirtualServices for a host."""
        return virtual_services(self.objects, self.gateways, host)

    def reached(self, host: str) -> str:
        """What a client meets first."""
        if not self.names:
            return f"serves {', '.join(self.gateways)}, without TLS"
        bare = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        known = f"its certificate is for {bare}"
        unknown = f"clients refuse its certificate, which is for {', '.join(self.names)} and not for {bare}"
        return f"serves {', '.join(self.gateways)}; {known if covers(self.names, bare) else unknown}"

    def _own(self, kind: str) -> list[Object]:
        found = [obj for obj in self.objects if obj["kind"] == kind and self._is_here(obj)]
        return [obj for obj in found if selects(obj, self.labels)]

    def _is_here(self, obj: Object) -> bool:
        return bool(obj["metadata"].get("namespace") == self.namespace)


def open_gate(
    objects: Sequence[Object],
    capability: Mapping[str, str],
    port: int,
    published: Mapping[int, int],
    names: Sequence[str],
) -> Gate:
    """The listener behind a port that users see. capability: what the gateway's stack exports (namespace, workload);

    published: host port -> NodePort; names: the certificate's. Raises ``auth.port``.
    """
    namespace = capability["namespace"]
    template = _workload(objects, namespace, capability["workload"])
    labels = template["metadata"]["labels"]
    entries = {
        outside: entry for entry in _ports(objects, namespace, labels) for outside in _outsides(entry, published)
    }
    if port not in entries:
        raise MlstackError(
            "auth.port",
            f"the gateway is not reached at port {port}",
            remedy=f"ports: {', '.join(map(str, sorted(entries)))}",
            exit_code=ExitCode.USAGE,
        )
    entry = entries[port]
    gateways, secure = _servers(objects, labels, int(entry["port"]))
    return Gate(
        objects=objects,
        namespace=namespace,
        labels=labels,
        port=_target(template, entry),
        gateways=gateways,
        names=tuple(names) if secure else (),
        normalization=_normalization(objects, namespace),
    )


def _workload(objects: Sequence[Object], namespace: str, name: str) -> dict[str, Any]:
    for obj in objects:
        metadata = obj["metadata"]
        if (obj["kind"], metadata.get("namespace"), metadata["name"]) == ("Deployment", namespace, name):
            template: dict[str, Any] = obj["spec"]["template"]
            return template
    raise MlstackError(
        "auth.no-gateway",
        "there is no gateway to ask",
        why=f"no stack has Deployment/{namespace}/{name}",
        remedy="choose a profile that has a gateway",
        exit_code=ExitCode.USAGE,
    )


def _ports(objects: Sequence[Object], namespace: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        entry
        for obj in objects
        if obj["kind"] == "Service" and obj["metadata"].get("namespace") == namespace
        if (obj["spec"].get("selector") or {"": ""}).items() <= labels.items()
        for entry in obj["spec"]["ports"]
    ]


def _outsides(entry: Mapping[str, Any], published: Mapping[int, int]) -> list[int]:
    """The ports under which users reach a Service's port: published ones, else its own."""
    found = [host for host, node in published.items() if node == entry.get("nodePort")]
    return found or [int(entry["port"])]


def _target(template: Mapping[str, Any], entry: Mapping[str, Any]) -> int:
    wanted = entry.get("targetPort", entry["port"])
    for container in template["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return int(wanted)


def _servers(objects: Sequence[Object], labels: Mapping[str, str], port: int) -> tuple[tuple[str, ...], bool]:
    """The Gateways that serve a Service's port, and whether with TLS."""
    found, secure = [], False
    for obj in objects:
        if obj["kind"] != "Gateway" or not obj["spec"].get("selector", {}).items() <= labels.items():
            continue
        servers = [one for one in obj["spec"]["servers"] if one["port"]["number"] == port]
        if servers:
            found.append(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}")
            secure = secure or any("tls" in one for one in servers)
    return tuple(found), secure


def _normalization(objects: Sequence[Object], namespace: str) -> Normalization:
    """How the mesh's configuration has paths read; Istio's default is BASE."""
    for obj in objects:
        if (
            obj["kind"] == "ConfigMap"
            and obj["metadata"].get("namespace") == namespace
            and "mesh" in obj.get("data", {})
        ):
            for mesh in load_objects(obj["data"]["mesh"], "mesh configuration"):
                level = (mesh.get("pathNormalization") or {}).get("normalization", "BASE")
                return level if level in get_args(Normalization) else "BASE"
    return "BASE"
