"""Who is given what, and who runs what: the order in which gateways learn a snapshot, and what they have said of it.

No clock and no connection of its own: times are passed in (seconds, any origin), questions come from ``xds``.

- Routes and listeners of a snapshot are given only to a gateway that runs its clusters.
- Clusters that are not needed any more stay for a while, and as long as a gateway's routes may still use them.
- A gateway asks again with what it runs: that is the acknowledgement. One that asks again without having taken what it was
  given has refused it; it gets it again only after a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlstack_ingress.claims import EXTERNAL, INTERNAL
from mlstack_ingress.clusters import Resource
from mlstack_ingress.snapshot import Snapshot, digest

CLUSTERS, LISTENERS, ROUTES = "clusters", "listeners", "routes"
KEEP_SECONDS = 30.0
"""How long at least a cluster outlives its last route."""
AGAIN_SECONDS = 2.0
"""After this long a gateway is given again what it refused, or what got lost on its way."""
FORGET_SECONDS = 300.0
"""A gateway that has not asked for so long is gone."""
HISTORY = 64
"""How many snapshots are remembered for gateways that are behind."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a gateway asks: its pod's name, the kind of resource, the version it runs, and for routes the table's name."""

    node: str
    kind: str
    version: str = ""
    table: str = ""

    @property
    def slot(self) -> str:
        """What versions are counted by."""
        return f"{self.kind}:{self.table}" if self.table else self.kind


@dataclass(frozen=True, slots=True)
class Answer:
    """A version and all of its resources of the kind."""

    version: str
    resources: list[Resource]


@dataclass(slots=True)
class _Gateway:
    runs: dict[str, str] = field(default_factory=dict)
    given: dict[str, tuple[str, float]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    seen: float = 0.0


class Ledger:
    """The record. Not for several threads."""

    def __init__(self, keep: float = KEEP_SECONDS) -> None:
        """keep: seconds that a cluster outlives its last route."""
        self.current: Snapshot | None = None
        self._keep = keep
        self._history: dict[str, Snapshot] = {}
        self._retired: dict[str, tuple[Resource, float]] = {}
        self._gateways: dict[str, _Gateway] = {}

    def publish(self, snapshot: Snapshot, now: float, others: Mapping[str, Resource] | None = None) -> bool:
        """Makes it what gateways are to run; whether that is anything new to them.

        others: clusters that gateways may have from before the first snapshot, kept as those that are not needed any more.
        """
        before = self.current
        self.current = snapshot
        self._history.pop(snapshot.version, None)
        self._history[snapshot.version] = snapshot
        for version in list(self._history)[:-HISTORY]:
            del self._history[version]
        for name, resource in {**(before.clusters if before else {}), **(others or {})}.items():
            if name not in snapshot.clusters:
                self._retired.setdefault(name, (resource, now))
        for name in snapshot.clusters:
            self._retired.pop(name, None)
        return before is None or before.version != snapshot.version

    def expire(self, live: Iterable[str], now: float) -> bool:
        """Lets go of clusters that no live gateway can need; whether there were any. Forgets gateways that are gone."""
        for name in [name for name, one in self._gateways.items() if now - one.seen > FORGET_SECONDS]:
            del self._gateways[name]
        needed = {name for node in live for name in self._in_use(node)}
        over = [
            name
            for name, (_, since) in self._retired.items()
            if now - since >= self._keep and (name not in needed or now - since >= FORGET_SECONDS)
        ]
        for name in over:
            del self._retired[name]
        return bool(over)

    def next_expiry(self) -> float | None:
        """When ``expire`` may have something to do."""
        return min((since + self._keep for _, since in self._retired.values()), default=None)

    def ask(self, question: Question, now: float) -> Answer | None:
        """What to answer at once; nothing: the gateway runs what it should, or has to wait for its clusters."""
        gateway = self._gateways.setdefault(question.node, _Gateway())
        gateway.seen = now
        slot = question.slot
        if question.version:
            gateway.runs[slot] = question.version
        else:
            gateway.runs.pop(slot, None)  # it has just started
        answer = self._answer(question, gateway)
        if answer is None or answer.version == question.version:
            gateway.refused.pop(slot, None)
            return None
        version, since = gateway.given.get(slot, ("", 0.0))
        if version == answer.version and now - since < AGAIN_SECONDS:
            gateway.refused[slot] = version
            return None
        gateway.given[slot] = (answer.version, now)
        return answer

    def runs(self, node: str) -> str:
        """The version of which a gateway runs every part, empty when there is none."""
        gateway = self._gateways.get(node)
        version = _base(gateway.runs.get(CLUSTERS, "")) if gateway else ""
        snapshot = self._history.get(version)
        if gateway is None or snapshot is None:
            return ""
        return version if all(gateway.runs.get(slot) == version for slot in _slots(snapshot)) else ""

    def holds(self, version: str, uid: str, generation: int) -> bool:
        """Whether a version has the Ingress at this generation or a later one."""
        return version in self._history and self._history[version].holds(uid, generation)

    def refusals(self) -> dict[str, list[str]]:
        """By gateway which parts of the current configuration it has not taken."""
        return {node: sorted(one.refused) for node, one in sorted(self._gateways.items()) if one.refused}

    def _answer(self, question: Question, gateway: _Gateway) -> Answer | None:
        if self.current is None:
            return None
        if question.kind == CLUSTERS:
            return self._clusters(self.current)
        snapshot = self._history.get(_base(gateway.runs.get(CLUSTERS, "")))
        if snapshot is None or not snapshot.clusters.keys() <= {*self.current.clusters, *self._retired}:
            return None  # some of its clusters were let go meanwhile: its newer ones have to come first
        if question.kind == LISTENERS:
            return Answer(snapshot.version, list(snapshot.listeners))
        table = snapshot.routes.get(question.table)
        return Answer(snapshot.version, [table] if table else [])

    def _clusters(self, snapshot: Snapshot) -> Answer:
        kept: Mapping[str, Resource] = {name: resource for name, (resource, _) in sorted(self._retired.items())}
        version = f"{snapshot.version}+{digest(kept)}" if kept else snapshot.version
        return Answer(version, [*snapshot.clusters.values(), *kept.values()])

    def _in_use(self, node: str) -> set[str]:
        """Clusters of all that a gateway runs, was given, or is given next, since it runs their clusters."""
        gateway = self._gateways.get(node, _Gateway())
        versions = {_base(version) for version in (*gateway.runs.values(), *(one for one, _ in gateway.given.values()))}
        return {name for version in versions if version in self._history for name in self._history[version].clusters}


def _slots(snapshot: Snapshot) -> list[str]:
    tables = {str(listener["name"]) for listener in snapshot.listeners} | {EXTERNAL, INTERNAL}
    return [LISTENERS, *(f"{ROUTES}:{table}" for table in sorted(tables))]


def _base(version: str) -> str:
    return version.partition("+")[0]
