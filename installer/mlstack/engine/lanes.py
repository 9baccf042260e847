"""Which actions may run beside which: a bound per kind of work, since compiles fight for cores and applies for nothing."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlstack.core.actions import (
    Action,
    Apply,
    CreateCluster,
    Delete,
    DeleteCluster,
    EnsureBucket,
    EnsureDatabase,
    LoadImage,
    ObtainImage,
    ObtainTool,
    RunPlaybook,
    StartCluster,
    StopCluster,
    Wait,
)
from mlstack.core.serviceactions import EnsureUser, PurgeBucket, RemoveUser, RevokeBucket

WIDTHS: Mapping[str, int] = {"cluster": 1, "build": 1, "fetch": 3, "load": 1, "service": 2, "api": 8, "wait": 1_000_000}
"""Actions of one lane that run at once."""

_LANES: Mapping[type[Action], str] = {
    RunPlaybook: "cluster",
    CreateCluster: "cluster",
    StartCluster: "cluster",
    StopCluster: "cluster",
    DeleteCluster: "cluster",
    ObtainImage: "build",
    ObtainTool: "build",
    LoadImage: "load",
    EnsureBucket: "service",
    EnsureDatabase: "service",
    **dict.fromkeys((EnsureUser, RemoveUser, RevokeBucket, PurgeBucket), "service"),
    Apply: "api",
    Delete: "api",
    Wait: "wait",
}

_GUESSES: Mapping[type[Action], float] = {
    RunPlaybook: 60.0,
    ObtainImage: 60.0,
    ObtainTool: 20.0,
    CreateCluster: 40.0,
    StartCluster: 20.0,
    LoadImage: 3.0,
    Wait: 10.0,
}


def seconds_of(action: Action, measured: float | None = None) -> float:
    """Seconds a step may take, to rank the steps that may begin. measured: what it took before, if it ever ran.

    Definitions that nothing in the plan waits for go last: each makes the API server build its OpenAPI document anew, and
    every request after it is slower. What an apply took tells of the server's load at that time, not of the object.
    """
    if _kind(action) == "CustomResourceDefinition":
        return 0.0
    guess = _GUESSES.get(type(action), 0.02)
    return guess if isinstance(action, Apply) else measured or guess


def _kind(action: Action) -> str:
    """Kind of the object that is applied or waited for; empty for other actions."""
    if isinstance(action, Apply):
        return str(action.object.get("kind", ""))
    return action.resource.kind if isinstance(action, Wait) else ""


@dataclass(slots=True)
class Lanes:
    """Actions that may begin, by lane, the one with the longest way to the end of the run first."""

    priority: Mapping[str, float]
    _waiting: dict[str, list[tuple[float, int, Action]]] = field(default_factory=dict)
    _busy: dict[str, int] = field(default_factory=dict)
    _lane_of: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def put(self, action: Action, fetched: bool = False) -> None:
        """Takes in an action whose needs are met. fetched: it only downloads, which needs no core of its own."""
        lane = "fetch" if fetched else _LANES.get(type(action), "api")
        self._count += 1
        self._lane_of[action.id] = lane
        heapq.heappush(self._waiting.setdefault(lane, []), (-self.priority.get(action.id, 0.0), self._count, action))

    def take(self) -> Action | None:
        """The next action that may begin now; None when each lane is empty or full."""
        for lane, waiting in self._waiting.items():
            if waiting and self._busy.get(lane, 0) < WIDTHS[lane]:
                self._busy[lane] = self._busy.get(lane, 0) + 1
                return heapq.heappop(waiting)[2]
        return None

    def lane_of(self, action: Action) -> str:
        """The lane an action was put into; empty for one that never was."""
        return self._lane_of.get(action.id, "")

    def free(self, action_id: str) -> None:
        """The action ended."""
        self._busy[self._lane_of[action_id]] -= 1
