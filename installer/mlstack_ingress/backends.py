"""Where a split's requests go: the address and the protocol of a Service's port.

The Service's cluster address is used and not its name: it is known at once, so that no request waits for a name server or
meets its memory of a name that did not exist yet. Behind the address the cluster chooses pods or, at zero pods, the activator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlstack_ingress.model import Key, Split

H2_NAMES = ("http2", "h2c", "grpc")
"""Names of ports, also before a dash (``grpc-api``), that say what is spoken there."""
H2_PROTOCOLS = ("kubernetes.io/h2c", *H2_NAMES)
Services = Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Backend:
    """One cluster of the gateway. resolve: ``address`` is a name; h2: it speaks HTTP/2 without TLS (gRPC does)."""

    name: str
    address: str
    port: int
    resolve: bool = False
    h2: bool = False


def backend_name(split: Split) -> str:
    """How the gateway calls a split's backend, whether it is there or not."""
    return f"{split.service[0]}/{split.service[1]}:{split.port}"


def find_backend(split: Split, services: Services) -> Backend | None:
    """The backend, or none where the Service or its port is not there (yet)."""
    service = services.get(split.service)
    if service is None:
        return None
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    found = next((port for port in ports if split.port in (port.get("port"), port.get("name"))), None)
    external = spec.get("type") == "ExternalName"
    if found is None and not (external and isinstance(split.port, int)):
        return None
    number = int(found["port"]) if found else int(split.port)
    name, h2 = backend_name(split), found is not None and _speaks_h2(found)
    if external:
        return Backend(name, str(spec.get("externalName") or "").rstrip("."), number, resolve=True, h2=h2)
    address = str(spec.get("clusterIP") or "None")
    if address == "None":  # without an address of its own: the pods' own ports are behind its name
        target = found.get("targetPort", number) if found else number
        number = target if isinstance(target, int) else number
        return Backend(name, f"{split.service[1]}.{split.service[0]}.svc.cluster.local", number, resolve=True, h2=h2)
    return Backend(name, address, number, h2=h2)


def _speaks_h2(port: Mapping[str, Any]) -> bool:
    return port.get("appProtocol") in H2_PROTOCOLS or str(port.get("name") or "").partition("-")[0] in H2_NAMES
