"""The state of a run, folded out of its events: what every renderer shows. Pure; times come in with the events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from mlstack.cli import words
from mlstack.core.events import (
    Event,
    Pending,
    RunFinished,
    RunStarted,
    StepBlocked,
    StepDone,
    StepFailed,
    StepInfo,
    StepProgress,
    StepStarted,
    StepWaiting,
)

NEAR_END = 0.95
"""A running step counts as done up to this part of its estimate, however late it is."""
UNKNOWN_SECONDS = 1.0
"""Weight of a step without an estimate."""
UNKNOWN_HALF = 30.0
"""Seconds after which a step without an estimate is taken to be half done."""


class Phase(StrEnum):
    """Where a step or a group of steps is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Step:
    """One step as seen so far."""

    info: StepInfo
    phase: Phase = Phase.QUEUED
    started: float = 0.0
    seconds: float = 0.0
    changed: bool = False
    message: str = ""
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    pending: tuple[Pending, ...] = ()
    error: dict[str, str] = field(default_factory=dict)
    because: str = ""

    @property
    def weight(self) -> float:
        """Share in the whole, in seconds."""
        return self.info.estimate or UNKNOWN_SECONDS

    def fraction(self, now: float) -> float:
        """How much of the step is done, 0 to 1: by its own count, else by the clock."""
        if self.phase in (Phase.DONE, Phase.FAILED):
            return 1.0
        if self.phase is not Phase.RUNNING:
            return 0.0
        if self.total:
            return min(1.0, self.done / self.total)
        elapsed = max(0.0, now - self.started)
        expected = elapsed / self.info.estimate if self.info.estimate else elapsed / (elapsed + UNKNOWN_HALF)
        return min(NEAR_END, expected)


@dataclass(slots=True)
class Group:
    """The steps of one stack, or of the host, the images, the cluster."""

    name: str
    steps: list[Step] = field(default_factory=list)

    @property
    def phase(self) -> Phase:
        """Failed if any step is, running while any runs or only some are done, done when all are."""
        phases = {step.phase for step in self.steps}
        if Phase.FAILED in phases:
            return Phase.FAILED
        if Phase.RUNNING in phases:
            return Phase.RUNNING
        if phases == {Phase.DONE}:
            return Phase.DONE
        if Phase.BLOCKED in phases:
            return Phase.BLOCKED
        return Phase.RUNNING if Phase.DONE in phases else Phase.QUEUED

    @property
    def finished(self) -> int:
        """Number of steps that are done."""
        return sum(step.phase is Phase.DONE for step in self.steps)

    def running(self) -> list[Step]:
        """The running steps, the one that runs longest first."""
        return sorted((step for step in self.steps if step.phase is Phase.RUNNING), key=lambda step: step.started)

    def seconds(self, now: float) -> float:
        """Time since its first step started, or between its first start and last end."""
        begun = [step for step in self.steps if step.started]
        if not begun:
            return 0.0
        ends = [now if step.phase is Phase.RUNNING else step.started + step.seconds for step in begun]
        return max(ends) - min(step.started for step in begun)


@dataclass(slots=True)
class Run:
    """A run as seen so far. estimate: seconds along the critical path at the start, 0 unknown."""

    command: str = ""
    instance: str = ""
    started: float = 0.0
    estimate: float = 0.0
    outcome: str = ""
    seconds: float = 0.0
    steps: dict[str, Step] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def apply(self, event: Event) -> Step | None:
        """Takes an event in; the step it is about, None when it is about no step."""
        match event:
            case RunStarted():
                self._begin(event)
                return None
            case RunFinished():
                self.outcome, self.seconds = event.outcome, event.seconds
                return None
            case StepStarted():
                step = self._step(event.step)
                step.phase, step.started = Phase.RUNNING, event.time
            case StepProgress():
                step = self._step(event.step)
                step.message = event.message or step.message
                step.done, step.total, step.unit = event.done, event.total, event.unit
            case StepWaiting():
                step = self._step(event.step)
                step.pending = event.pending
            case StepDone():
                step = self._end(event.step, Phase.DONE, event.time, event.seconds)
                step.changed, step.message = event.changed, event.detail
            case StepFailed():
                step = self._end(event.step, Phase.FAILED, event.time, event.seconds)
                step.error = event.error
            case StepBlocked():
                step = self._step(event.step)
                step.phase, step.because = Phase.BLOCKED, event.because
            case _:
                return None
        return step

    def fraction(self, now: float) -> float:
        """How much of the run is done, 0 to 1, steps weighed by their estimates."""
        whole = sum(step.weight for step in self.steps.values())
        return sum(step.weight * step.fraction(now) for step in self.steps.values()) / whole if whole else 0.0

    def remaining(self, now: float) -> float:
        """Seconds left as far as known, 0 when unknown: what is left of the estimate, or of the running steps if that is more."""
        if not self.estimate:
            return 0.0
        running = [step for step in self.steps.values() if step.phase is Phase.RUNNING]
        tail = max((step.info.estimate * (1 - step.fraction(now)) for step in running), default=0.0)
        return max(tail, self.estimate * (1 - self.fraction(now)))

    def count(self, phase: Phase) -> int:
        """Number of steps in a phase."""
        return sum(step.phase is phase for step in self.steps.values())

    def holding_up(self, group: Group) -> list[str]:
        """Names of the other groups that must get on before a step of this one can start; empty while any step could."""
        queued = [step for step in group.steps if step.phase is Phase.QUEUED]
        found = [self._before(step) for step in queued]
        if not all(found):
            return []
        names = set().union(*found) - {group.name}
        return [name for name in self.groups if name in names]

    def _before(self, step: Step) -> set[str]:
        """The groups of the steps that a queued one still needs."""
        known = (self.steps[name] for name in step.info.needs if name in self.steps)
        return {one.info.group for one in known if one.phase is not Phase.DONE}

    def titles(self, ids: Iterable[str]) -> list[str]:
        """Titles of steps, the id itself where it is not known."""
        return [self.steps[name].info.title if name in self.steps else name for name in ids]

    def _begin(self, event: RunStarted) -> None:
        self.command, self.instance = event.command, event.instance
        self.started, self.estimate = event.time, event.estimate
        self.steps.clear()
        self.groups.clear()
        for info in event.steps:
            self._add(info)

    def _add(self, info: StepInfo) -> Step:
        step = self.steps[info.id] = Step(info)
        self.groups.setdefault(info.group, Group(info.group)).steps.append(step)
        return step

    def _step(self, name: str) -> Step:
        return self.steps.get(name) or self._add(StepInfo(id=name, title=name, group=name.partition(":")[0]))

    def _end(self, name: str, phase: Phase, now: float, seconds: float) -> Step:
        step = self._step(name)
        step.phase, step.seconds, step.pending = phase, seconds, ()
        step.started = step.started or now - seconds
        return step


def closing(event: RunFinished) -> str:
    """The last line about a run: how it ended, after how long, with how much done."""
    counts = [
        f"{event.done} done",
        f"{event.changed} changed",
        *([f"{event.failed} failed"] if event.failed else []),
        *([f"{event.blocked} not started"] if event.blocked else []),
    ]
    return f"{event.outcome} after {words.duration(event.seconds)}: {', '.join(counts)}"
