"""All Ingress objects at one moment as all of a gateway's configuration, and what is to be said of each. Pure.

The same objects make the same version in every controller, so that it does not matter which of several a gateway asks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlstack_ingress.access import Access
from mlstack_ingress.backends import Services, backend_name, find_backend
from mlstack_ingress.claims import settle
from mlstack_ingress.clusters import Resource, cluster
from mlstack_ingress.listeners import Ports, listeners
from mlstack_ingress.model import Ingress, InvalidIngress, Key, KeyPair, Split
from mlstack_ingress.parse import parse_ingress
from mlstack_ingress.routes import route_tables

SERVICE_TYPE = "networking.internal.knative.dev/serviceType"
"""Label of the Services before a revision's pods."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Configuration under one version. used: by uid the Ingress objects inside, as they were read."""

    version: str
    clusters: Mapping[str, Resource]
    routes: Mapping[str, Resource]
    listeners: tuple[Resource, ...] = field(repr=False)  # certificates' keys are inside
    used: Mapping[str, Ingress]

    def holds(self, uid: str, generation: int) -> bool:
        """Whether the object is inside at this generation or a later one."""
        return uid in self.used and self.used[uid].generation >= generation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an Ingress. waiting: something that it names is not there yet; message: for people."""

    kind: Literal["programmed", "waiting", "conflict", "invalid"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What is there besides the Ingress objects. faults: of secrets that cannot be used, why."""

    services: Services = field(default_factory=dict)
    pairs: Mapping[Key, KeyPair] = field(default_factory=dict)
    faults: Mapping[Key, str] = field(default_factory=dict)
    ports: Ports = field(default_factory=Ports)
    access: Access = field(default_factory=Access)


def translate(
    objects: Iterable[Mapping[str, Any]], world: World, previous: Mapping[str, Ingress]
) -> tuple[Snapshot, dict[str, Verdict]]:
    """The configuration and a verdict for each object's uid. previous: what the last snapshot used.

    An object that changed and cannot be served yet as it is now keeps being served as it was.
    """
    verdicts: dict[str, Verdict] = {}
    usable: list[Ingress] = []
    for obj in objects:
        uid = str(obj["metadata"]["uid"])
        try:
            wanted = parse_ingress(obj)
        except InvalidIngress as error:
            verdicts[uid] = Verdict("invalid", str(error))
            usable += [previous[uid]] if uid in previous else []
            continue
        missing = _missing(wanted, world)
        verdicts[uid] = Verdict("waiting", "; ".join(missing)) if missing else Verdict("programmed")
        old = previous.get(uid)
        keep = missing and old is not None and old.generation != wanted.generation
        usable.append(old if keep and old is not None else wanted)
    winners, conflicts = settle(usable)
    verdicts.update({uid: Verdict("conflict", message) for uid, message in conflicts.items()})
    return _snapshot(winners, world), verdicts


def possible_clusters(services: Services) -> dict[str, Resource]:
    """Clusters of all Services that Knative made. A controller that has just started does not know what gateways route to; with
    these beside what it wants them to run, nothing that they still use is taken from them before they have their new routes."""
    found: dict[str, Resource] = {}
    for key, service in services.items():
        if SERVICE_TYPE not in (service["metadata"].get("labels") or {}):
            continue
        for port in (service.get("spec") or {}).get("ports") or []:
            backend = find_backend(Split(key, int(port["port"]), 100), services)
            if backend is not None:
                found[backend.name] = cluster(backend)
    return found


def secrets_of(objects: Iterable[Mapping[str, Any]]) -> set[Key]:
    """The Secrets that objects name for TLS; those of objects that cannot be read are left out."""
    found: set[Key] = set()
    for obj in objects:
        try:
            found |= {tls.secret for tls in parse_ingress(obj).tls}
        except InvalidIngress:
            continue
    return found


def _missing(one: Ingress, world: World) -> list[str]:
    absent = {backend_name(split) for split in _splits(one) if find_backend(split, world.services) is None}
    secrets = {tls.secret for tls in one.tls if tls.secret not in world.pairs}
    texts = [f"Service {name} is not there" for name in sorted(absent)]
    return texts + [f"Secret {'/'.join(key)} {world.faults.get(key, 'is not there')}" for key in sorted(secrets)]


def _splits(one: Ingress) -> list[Split]:
    return [split for rule in one.rules for path in rule.paths for split in path.splits if split.percent]


def _snapshot(winners: list[Ingress], world: World) -> Snapshot:
    clusters: dict[str, Resource] = {}
    for one in winners:
        for split in _splits(one):
            backend = find_backend(split, world.services)
            if backend is not None:
                clusters[backend.name] = cluster(backend)
    clusters = dict(sorted(clusters.items()))
    routes = route_tables(winners, world.access)
    ears = listeners(winners, world.pairs, world.ports)
    return Snapshot(digest([clusters, routes, ears]), clusters, routes, ears, {one.uid: one for one in winners})


def digest(content: Any) -> str:
    """A short name of the content, the same in every process."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
