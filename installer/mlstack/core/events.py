"""The event stream: the only output below ``cli``. Frozen, JSON-able, versioned; an event never holds a secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

EVENTS_VERSION = 1
"""Raised when a field changes meaning or goes away; additions keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. time: seconds since the epoch."""

    time: float = field(default_factory=time.time)

    @property
    def type(self) -> str:
        """The event's name in JSON, the class name."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """One line of ``--json`` output."""
        return {"v": EVENTS_VERSION, "type": self.type, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """What a step is: id unique in the run, title for people, group (a stack's name, ``cluster``, ``images`` ...).

    estimate: expected seconds from recorded durations, 0 when unknown; needs: ids of the steps that come before it.
    """

    id: str
    title: str
    group: str
    estimate: float = 0.0
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run begins; ``steps`` are all the steps of its plan; estimate: seconds along the critical path, 0 unknown."""

    command: str
    instance: str
    steps: tuple[StepInfo, ...] = ()
    estimate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step was handed to a worker."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """How far a long step is. done/total in ``unit`` (``B``, ``packages``, ``tasks``); total 0 when unknown."""

    step: str
    message: str = ""
    done: float = 0.0
    total: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One object a step waits for, with the last reason seen (image, scheduling, probe ...)."""

    resource: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWaiting(Event):
    """What a step waits for now; sent when it changes."""

    step: str
    pending: tuple[Pending, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Event):
    """A step succeeded. changed: false when everything was as wanted already. seconds: wall time."""

    step: str
    seconds: float
    changed: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(Event):
    """A step failed; ``error`` is ``MlstackError.to_dict()``."""

    step: str
    seconds: float
    error: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBlocked(Event):
    """A step was not started because another one failed or the run was interrupted."""

    step: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """A line for people. level: info, warning or error. step: the step it belongs to, or empty."""

    text: str
    level: str = "info"
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(Event):
    """A line of a workload's or tool's log, streamed to the user. source: pod/container, task or build name."""

    source: str
    text: str
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStep(Event):
    """A step of a running sample changed its phase (Pending, Running, Succeeded, Failed, Error, Skipped, Omitted).

    step: unique id in the sample's run; name: for people; attempt: counts from 0 where the step is retried;
    seconds: how long it ran, 0 while it runs.
    """

    step: str
    name: str
    phase: str
    message: str = ""
    attempt: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run ended. outcome: ok, failed or interrupted; counts of steps by result."""

    outcome: str
    seconds: float
    done: int = 0
    failed: int = 0
    blocked: int = 0
    changed: int = 0


Emit = Callable[[Event], None]
"""Takes an event; must be cheap and safe to call from several threads."""
