"""Which endpoint gets which host port. Pure: the free ports come in from outside.

A cluster's published ports are fixed when it is made, so every endpoint of the catalogue gets one, also those of stacks
that are off: enabling one later then needs no new cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from mlstack.core.model import PortMapping
from mlstack.core.stackfile import Endpoint

Wish = int | Literal["auto"]
PickFree = Callable[[frozenset[int]], int]
"""Gives a free port of the host that is not among those given."""


def publish(
    endpoints: Iterable[tuple[Endpoint, bool]],
    wishes: Mapping[str, Wish],
    remembered: Mapping[str, int],
    pick_free: PickFree,
    *,
    address: str,
    own_ports: bool,
) -> tuple[PortMapping, ...]:
    """The port mappings of a new cluster.

    endpoints: each with whether its stack is on; remembered: host ports of this instance's last cluster; own_ports: the
    instance may take the endpoints' customary ports (the one with the default name), others get free ones.
    """
    mappings: list[PortMapping] = []
    taken: set[int] = {port for port in wishes.values() if isinstance(port, int)}
    for endpoint, enabled in endpoints:
        if not endpoint.node_port or any(one.node_port == endpoint.node_port for one in mappings):
            continue
        wish = wishes.get(endpoint.name, "auto")
        customary = own_ports and enabled and endpoint.name not in wishes
        if isinstance(wish, int):
            port = wish
        elif endpoint.name in remembered and remembered[endpoint.name] not in taken:
            port = remembered[endpoint.name]
        elif customary and endpoint.port not in taken:
            port = endpoint.port
        else:
            port = pick_free(frozenset(taken))
        taken.add(port)
        mappings.append(PortMapping(endpoint.name, endpoint.node_port, port, address))
    return tuple(mappings)


def url_of(endpoint: Endpoint, mappings: Iterable[PortMapping]) -> str:
    """Where a user on this host reaches an endpoint; empty when it is not published."""
    for mapping in mappings:
        if mapping.name == endpoint.name:
            scheme = {"s3": "http", "mysql": "mysql", "tcp": "tcp"}.get(endpoint.scheme, endpoint.scheme)
            path = endpoint.path if endpoint.scheme in ("http", "https") else "/"
            host = f"[{mapping.address}]" if ":" in mapping.address else mapping.address
            return f"{scheme}://{host}:{mapping.host_port}{path}"
    return ""
