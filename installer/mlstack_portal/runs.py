"""Runs: the newest ones in a list, and one of them with its steps, log lines and results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlstack.core.model import Object
from mlstack.core.sample import LABEL_SAMPLE
from mlstack.core.workflow import (
    ANNOTATION_NODE,
    LABEL_WORKFLOW,
    MAIN_CONTAINER,
    FlowStep,
    finished,
    is_executor_line,
    phase_of,
    results_of,
    seconds_between,
    steps_of,
)
from mlstack_portal.cluster import POD, WORKFLOW, Cluster
from mlstack_portal.forms import ANNOTATION_BY
from mlstack_portal.offer import Offer
from mlstack_portal.profiles import Reach

PAGE = 20
"""Runs on one page of the list."""
TAIL = 200
"""Log lines of one step that are shown."""
STEPS = 40
"""Steps whose log is read; a run with more of them shows the log of the first ones."""
_STATES = {"Succeeded": "ready", "Failed": "failed", "Error": "failed"}


@dataclass(frozen=True, slots=True)
class Run:
    """One run. state: ``ready``, ``failed`` or ``starting``, for colours; seconds: so far, or in all once it ended."""

    name: str
    namespace: str
    sample: str
    by: str
    phase: str
    state: str
    began: str
    seconds: float
    message: str
    done: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A step with the end of its log."""

    step: FlowStep
    state: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """A run with all that its page shows. values, places: results by name (``mlstack.core.workflow.results_of``)."""

    run: Run
    steps: tuple[Step, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """One sentence about how far it is, for those who hear the page."""
        if self.run.done:
            return f"The run ended: {self.run.phase}."
        active = [one.step.name for one in self.steps if one.step.phase == "Running"]
        return f"Running: {', '.join(active)}." if active else f"The run is {self.run.phase.lower()}."


async def newest(cluster: Cluster, reach: Reach, page: int) -> tuple[list[Run], bool]:
    """(the runs of one page, newest first; whether older ones follow). Raises ClusterError.

    The list is read without specs and states: a week of runs with all their steps would not fit the portal's memory.
    """
    if reach.admin:
        found = await cluster.objects(WORKFLOW, metadata_only=True)
    else:
        lists = (cluster.objects(WORKFLOW, space, metadata_only=True) for space in reach.namespaces())
        found = [obj for part in await asyncio.gather(*lists) for obj in part]
    found.sort(key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]), reverse=True)
    shown = found[(page - 1) * PAGE : page * PAGE]
    flows = [await cluster.get(WORKFLOW, obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in shown]
    return [run_of(flow) for flow in flows if flow], len(found) > page * PAGE


def run_of(flow: Object) -> Run:
    """A workflow as a run."""
    metadata, status, phase = flow["metadata"], flow.get("status") or {}, phase_of(flow)
    began = str(status.get("startedAt") or metadata["creationTimestamp"])
    return Run(
        name=metadata["name"],
        namespace=metadata["namespace"],
        sample=(metadata.get("labels") or {}).get(LABEL_SAMPLE, ""),
        by=(metadata.get("annotations") or {}).get(ANNOTATION_BY, ""),
        phase=phase,
        state=_STATES.get(phase, "starting"),
        began=began,
        seconds=seconds_between(status) if finished(flow) else _since(began),
        message=str(status.get("message") or ""),
        done=finished(flow),
    )


def _since(moment: str) -> float:
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


class Logs:
    """The logs of one run's steps. A finished step's log is read once."""

    def __init__(self, cluster: Cluster, flow: Object) -> None:
        self._cluster = cluster
        self._namespace, self._name = flow["metadata"]["namespace"], flow["metadata"]["name"]
        self._kept: dict[str, tuple[str, ...]] = {}

    async def lines(self, flow: Object, steps: Sequence[FlowStep]) -> dict[str, tuple[str, ...]]:
        """Last lines by the step's id. Raises ClusterError."""
        begun = [step for step in steps[:STEPS] if step.phase not in ("Pending", "Skipped", "Omitted")]
        open_steps = [step for step in begun if step.id not in self._kept]
        pods = await self._pods(flow) if open_steps else {}
        found = dict(self._kept)
        for step in open_steps:
            found[step.id] = await self._log(pods.get(step.id, ""))
            if step.phase != "Running":
                self._kept[step.id] = found[step.id]
        return found

    async def _pods(self, flow: Object) -> dict[str, str]:
        """Node id -> pod name, while the pods are there."""
        selector = f"{LABEL_WORKFLOW}={self._name}"
        pods = await self._cluster.objects(POD, self._namespace, selector=selector, metadata_only=True)
        nodes = (flow.get("status") or {}).get("nodes") or {}
        ids = {str(node.get("name")): key for key, node in nodes.items()}
        names = ((pod["metadata"], (pod["metadata"].get("annotations") or {}).get(ANNOTATION_NODE)) for pod in pods)
        return {ids[node]: metadata["name"] for metadata, node in names if node in ids}

    async def _log(self, pod: str) -> tuple[str, ...]:
        lines = await self._cluster.log(self._namespace, pod, MAIN_CONTAINER, TAIL) if pod else []
        return tuple(line for line in lines if not is_executor_line(line))


async def detail_of(flow: Object, offer: Offer, logs: Logs) -> Detail:
    """The run with its logs and the results that its sample names. Raises ClusterError."""
    run, steps = run_of(flow), steps_of(flow)
    lines = await logs.lines(flow, steps)
    sample = offer.samples.get(run.sample)
    values, places = results_of(flow, sample.sample.spec.results if sample else {})
    shown = tuple(Step(step, _STATES.get(step.phase, "starting"), lines.get(step.id, ())) for step in steps)
    return Detail(run, shown, values, places)
