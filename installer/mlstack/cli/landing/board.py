"""What the landing page shows, kept up to date by the run's threads and read by the server's. Knows no web."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mlstack.cli.progress import Run
from mlstack.core.errors import ExitCode
from mlstack.core.events import Event, LogLine, Message
from mlstack.core.results import Status

T = TypeVar("T")
MESSAGES_KEPT = 20
FINAL = ("ok", "failed", "interrupted")
"""Outcomes after which nothing more happens in an attempt."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. status: the platform, where it is up."""

    code: ExitCode
    status: Status | None = None


@dataclass(slots=True)
class Scene:
    """One attempt to bring the platform up, as seen so far.

    outcome: empty while it works, else one of ``FINAL``; error: of an attempt that ended before or beside its steps, as data;
    question: lines that wait for an answer in the terminal; status: the platform, after success;
    resumable: a click may start the next attempt; ended: this is the last state there will be.
    """

    run: Run = field(default_factory=Run)
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MESSAGES_KEPT))
    outcome: str = ""
    error: Mapping[str, Any] = field(default_factory=dict)
    question: tuple[str, ...] = ()
    status: Status | None = None
    resumable: bool = False
    ended: bool = False


class Board:
    """The scene behind a lock, with a version that grows by every change. Nothing that reads can hold up what writes.

    There is no queue of events: a reader takes the scene as it is now, so one that is slow skips states and is never behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scene = Scene()
        self._version = 1
        self._ring: Callable[[], None] = lambda: None

    @property
    def version(self) -> int:
        """Grows by every change."""
        return self._version

    def listen(self, ring: Callable[[], None]) -> None:
        """Calls ``ring`` after every change, from the thread that made it; it must be cheap."""
        self._ring = ring

    def emit(self, event: Event) -> None:
        """Takes an event of the run in."""
        if isinstance(event, LogLine):
            return  # log lines are fetched from where they are kept, when someone asks
        with self._changed() as scene:
            if isinstance(event, Message):
                scene.messages.append(event)
            else:
                scene.run.apply(event)

    def begin(self) -> None:
        """A new attempt: what the last one left is wiped off."""
        with self._lock:
            self._scene = Scene()
            self._version += 1
        self._ring()

    def settle(self, outcome: str, *, status: Status | None = None, error: Mapping[str, Any] | None = None) -> None:
        """The attempt ended with one of ``FINAL``."""
        with self._changed() as scene:
            scene.outcome, scene.status, scene.error = outcome, status, error or {}

    def offer(self, resumable: bool) -> None:
        """Whether the next attempt may be started from the page."""
        with self._changed() as scene:
            scene.resumable = resumable

    def take(self) -> bool:
        """Takes the offer to start again; False when there is none (any more), so that of two clicks one counts."""
        with self._changed() as scene:
            taken, scene.resumable = scene.resumable, False
        return taken

    def end(self) -> int:
        """Nothing will follow; the version of this last state."""
        with self._changed() as scene:
            scene.ended, scene.resumable = True, False
        return self._version

    @contextmanager
    def asking(self, lines: Sequence[str]) -> Iterator[None]:
        """While entered, the page says that the terminal waits for an answer to these lines."""
        with self._changed() as scene:
            scene.question = tuple(lines)
        try:
            yield
        finally:
            with self._changed() as scene:
                scene.question = ()

    def read(self, look: Callable[[Scene], T]) -> tuple[int, T]:
        """The version and what ``look`` makes of the scene, which must not be kept."""
        with self._lock:
            return self._version, look(self._scene)

    @contextmanager
    def _changed(self) -> Iterator[Scene]:
        with self._lock:
            yield self._scene
            self._version += 1
        self._ring()
