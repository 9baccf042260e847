"""How the components are: their workloads judged by ``mlstack.core.readiness``, with reasons and advice for what is not ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, Object
from mlstack.core.pending import pending_reasons
from mlstack.core.readiness import State, readiness
from mlstack_portal.advice import advice
from mlstack_portal.cluster import EVENT, POD, WORKLOADS, Cluster
from mlstack_portal.offer import Component, Offer

SECONDS = 2.0
"""How old an answer may be that several pages share."""
WORDS = {State.READY: "ready", State.PENDING: "starting", State.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not ready. resource: ``Kind/namespace/name``; advice: what to do."""

    resource: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Health:
    """How one component is. ready, total: its workloads; state: ``ready``, ``starting``, ``failed`` or ``none``, that is
    without workloads of its own."""

    component: Component
    state: str
    ready: int
    total: int
    troubles: tuple[Trouble, ...] = ()


class HealthReader:
    """Reads the health of all components, at most once every SECONDS however many pages ask."""

    def __init__(self, cluster: Cluster, now: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._now = now
        self._lock = asyncio.Lock()
        self._found: tuple[Health, ...] = ()
        self._key: tuple[float, int] = (float("-inf"), 0)

    async def read(self, offer: Offer) -> tuple[Health, ...]:
        """One entry a component, in the order in which they depend on each other. Raises ClusterError."""
        async with self._lock:
            taken, of = self._key
            if self._now() - taken >= SECONDS or of != id(offer):
                self._found = await self._read(offer)
                self._key = (self._now(), id(offer))
            return self._found

    async def _read(self, offer: Offer) -> tuple[Health, ...]:
        selector = f"{LABEL_INSTANCE}={offer.instance}"
        lists = await asyncio.gather(*(self._cluster.objects(kind, selector=selector) for kind in WORKLOADS))
        workloads = [obj for found in lists for obj in found]
        broken = [obj for obj in workloads if readiness(obj).state is not State.READY]
        spaces = sorted({obj["metadata"]["namespace"] for obj in broken})
        around = dict(zip(spaces, await asyncio.gather(*(self._around(space) for space in spaces)), strict=True))
        return tuple(_health(component, workloads, around) for component in offer.components)

    async def _around(self, namespace: str) -> tuple[list[Object], list[Object]]:
        """Pods and warnings of a namespace."""
        pods = self._cluster.objects(POD, namespace)
        return await pods, await self._cluster.objects(EVENT, namespace, fields="type=Warning")


def _health(
    component: Component, workloads: Sequence[Object], around: Mapping[str, tuple[list[Object], list[Object]]]
) -> Health:
    own = [obj for obj in workloads if obj["metadata"]["labels"].get(LABEL_STACK) == component.name]
    states = [readiness(obj).state for obj in own]
    ready = states.count(State.READY)
    worst = State.FAILED if State.FAILED in states else State.READY if ready == len(own) else State.PENDING
    troubles = [
        trouble
        for obj, state in zip(own, states, strict=True)
        if state is not State.READY
        for trouble in _troubles(component.name, obj, *around[obj["metadata"]["namespace"]])
    ]
    return Health(component, WORDS[worst] if own else "none", ready, len(own), tuple(dict.fromkeys(troubles)))


def _troubles(stack: str, obj: Object, pods: list[Object], events: list[Object]) -> list[Trouble]:
    """The reasons of one workload: of its own pods where the selector tells which they are."""
    wanted = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    own = [pod for pod in pods if wanted and wanted.items() <= (pod["metadata"].get("labels") or {}).items()]
    return [Trouble(one.resource, one.reason, advice(stack, one.reason)) for one in pending_reasons(obj, own, events)]


def summary(found: Sequence[Health]) -> str:
    """One sentence about all components."""
    bad = [one.component.name for one in found if one.state not in ("ready", "none")]
    if not bad:
        return f"All {len(found)} components are ready."
    return f"{len(bad)} of {len(found)} components {'needs' if len(bad) == 1 else 'need'} attention: {', '.join(bad)}."
