"""The steps of a run with the ends of their logs. A finished step's log is read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mlstack.core.holdups import step_message
from mlstack.core.model import Object
from mlstack.core.workflow import ANNOTATION_NODE, FlowStep
from mlstack_portal.cluster import POD, WORKFLOW, Cluster
from mlstack_portal.runs import STATES
from mlstack_portal.subjects import Subject

TAIL = 200
"""Log lines of one step that are shown."""
STEPS = 40
"""Steps whose log is read; a run with more of them shows the log of the first ones."""
_IDLE = frozenset({"Pending", "Skipped", "Omitted"})
"""Phases of a step that has written nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step with the end of its log. lines: what is worth reading of it; raw: all of it; logs: False for what is no program."""

    step: FlowStep
    state: str
    lines: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    logs: bool = True


class Logs:
    """The steps of one run, as often as they are asked for."""

    def __init__(self, cluster: Cluster, subject: Subject, obj: Object) -> None:
        self._cluster, self._subject = cluster, subject
        self._namespace, self._name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        self._kept: dict[str, tuple[str, ...]] = {}
        self._gone: dict[str, FlowStep] = {}

    async def steps(self, obj: Object) -> tuple[Step, ...]:
        """The steps as they are now. Raises ClusterError."""
        told = self._subject.state.steps(obj)
        if self._subject.kind == WORKFLOW:
            return await self._read(told, await self._pods_of_nodes(obj, told))
        # an object of another kind tells of itself as a whole: what runs are its pods
        pods = await self._pod_steps()
        return (
            *(replace(_step(one), logs=False) for one in told),
            *await self._read(pods, {one.id: one.name for one in pods}),
        )

    async def _read(self, steps: list[FlowStep], pods: dict[str, str]) -> tuple[Step, ...]:
        found = dict(self._kept)
        for step in _open(steps, self._kept):
            found[step.id] = await self._log(pods.get(step.id, ""))
            if step.phase != "Running":
                self._kept[step.id] = found[step.id]
        return tuple(_step(step, found.get(step.id, ()), self._shown(found.get(step.id, ()))) for step in steps)

    async def _pods_of_nodes(self, flow: Object, steps: list[FlowStep]) -> dict[str, str]:
        """Node id -> pod name, while the pods are there."""
        if not any(_open(steps, self._kept)):
            return {}
        selector, _ = self._subject.state.pods(self._name)
        pods = await self._cluster.objects(POD, self._namespace, selector=selector, metadata_only=True)
        nodes = (flow.get("status") or {}).get("nodes") or {}
        ids = {str(node.get("name")): key for key, node in nodes.items()}
        names = ((pod["metadata"], (pod["metadata"].get("annotations") or {}).get(ANNOTATION_NODE)) for pod in pods)
        return {ids[node]: metadata["name"] for metadata, node in names if node in ids}

    async def _pod_steps(self) -> list[FlowStep]:
        """The pods as steps, in the order in which they came; those that ended also when they are gone by now."""
        selector, _ = self._subject.state.pods(self._name)
        pods = await self._cluster.objects(POD, self._namespace, selector=selector)
        pods.sort(key=lambda pod: (str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]))
        now = {step.id: step for step in map(_pod_step, pods)}
        # what ended was read to its end before it went
        gone = {key: step for key, step in self._gone.items() if key not in now and key in self._kept}
        self._gone = gone | {key: step for key, step in now.items() if step.phase in STATES}
        return [*gone.values(), *now.values()]

    async def _log(self, pod: str) -> tuple[str, ...]:
        _, container = self._subject.state.pods(self._name)
        return tuple(await self._cluster.log(self._namespace, pod, container, TAIL)) if pod else ()

    def _shown(self, lines: tuple[str, ...]) -> tuple[str, ...]:
        shown = self._subject.state.lines()
        return tuple(text for line in lines if (text := shown(line)) is not None)


def _open(steps: list[FlowStep], kept: Iterable[str]) -> Iterator[FlowStep]:
    """The steps whose log is to be read."""
    return (step for step in steps[:STEPS] if step.phase not in _IDLE and step.id not in kept)


def _pod_step(pod: Object) -> FlowStep:
    name = str(pod["metadata"]["name"])
    return FlowStep(name, name, str((pod.get("status") or {}).get("phase") or "Pending"), "", 0, 0.0)


def _step(step: FlowStep, raw: tuple[str, ...] = (), lines: tuple[str, ...] = ()) -> Step:
    told = replace(step, message=step_message(step.phase, step.message))
    return Step(told, STATES.get(step.phase, "starting"), lines, raw)
