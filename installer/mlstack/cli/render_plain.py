"""Progress as plain lines, one an event worth telling, with the time since the start: for logs, pipes and simple terminals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from mlstack.cli import words
from mlstack.cli.progress import Group, Phase, Run, Step, closing
from mlstack.core.events import (
    Event,
    LogLine,
    Message,
    RunFinished,
    RunStarted,
    SampleStep,
    StepProgress,
    StepStarted,
    StepWaiting,
)
from mlstack.core.redact import redact

LONG_STEP = 2.0
"""Seconds (expected or measured) from which a step has lines of its own; shorter ones are summed up by group."""
PROGRESS_EVERY = 15.0
WAITING_EVERY = 5.0
SHOWN_PENDING = 3


class PlainRenderer:
    """Writes lines to a stream. verbose: every step and log line is told."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._run = Run()
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, str]] = {}
        self._closed_groups: set[str] = set()
        self._first = 0.0

    def emit(self, event: Event) -> None:
        """Tells the event if it is worth a line."""
        with self._lock:
            step = self._run.apply(event)
            for line in self._lines(event, step):
                self._write(line, event.time)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Nothing to make room for: lines do not move."""
        yield

    def close(self) -> None:
        """Nothing is held back."""

    def _write(self, line: str, now: float) -> None:
        self._first = self._first or now
        elapsed = words.clock(now - (self._run.started or self._first))
        self._stream.write(f"{elapsed:>7}  {redact(line)}\n")
        self._stream.flush()

    def _lines(self, event: Event, step: Step | None) -> list[str]:
        match event:
            case RunStarted():
                return [self._opening(event)]
            case RunFinished():
                return [closing(event)]
            case Message():
                return [f"{event.level}: {event.text}" if event.level != "info" else event.text]
            case SampleStep():
                return [words.sample_step(event)]
            case LogLine():
                return [f"{event.source} | {event.text}"] if self._verbose or not event.step else []
        return self._step_lines(event, step) if step is not None else []

    def _opening(self, event: RunStarted) -> str:
        self._told.clear()
        self._closed_groups.clear()
        about = f", {words.about(event.estimate)}" if event.estimate else ""
        return f"{event.command} of '{event.instance}': {words.plural(len(event.steps), 'step')}{about}"

    def _step_lines(self, event: Event, step: Step) -> list[str]:
        title = f"{step.info.group}: {step.info.title}"
        match event:
            case StepStarted():
                return [title] if self._verbose or step.info.estimate >= LONG_STEP else []
            case StepProgress():
                return self._progress(event, step, title)
            case StepWaiting():
                return self._waiting(event, step, title)
        if step.phase is Phase.FAILED:
            return [f"{title}: FAILED after {words.duration(step.seconds)}: {step.error.get('what', '')}"]
        if step.phase is Phase.BLOCKED:
            return [f"{title}: not done"] if self._verbose else []
        lines = [f"{title}: {_done(step)}"] if self._verbose or step.seconds >= LONG_STEP else []
        return lines + self._group_line(self._run.groups[step.info.group], event.time)

    def _group_line(self, group: Group, now: float) -> list[str]:
        if group.phase is not Phase.DONE or group.name in self._closed_groups or len(group.steps) == 1:
            return []
        self._closed_groups.add(group.name)
        changed = sum(step.changed for step in group.steps)
        took = words.duration(group.seconds(now))
        return [
            f"{group.name}: all {words.plural(len(group.steps), 'step')} done in {took}, {words.plural(changed, 'change')}"
        ]

    def _progress(self, event: StepProgress, step: Step, title: str) -> list[str]:
        far = words.amount(event.done, event.total, event.unit) if event.done or event.total else ""
        percent = f" ({100 * event.done / event.total:.0f} %)" if event.total else ""
        text = ", ".join(part for part in (f"{far}{percent}", event.message) if part)
        return [f"{title}: {text}"] if text and self._due(step, "progress", text, event.time, PROGRESS_EVERY) else []

    def _waiting(self, event: StepWaiting, step: Step, title: str) -> list[str]:
        if not event.pending:
            return []
        shown = "; ".join(f"{pending.resource}: {pending.reason}" for pending in event.pending[:SHOWN_PENDING])
        more = len(event.pending) - SHOWN_PENDING
        text = shown + (f"; and {more} more" if more > 0 else "")
        return [f"{title}: waiting for {text}"] if self._due(step, "waiting", text, event.time, WAITING_EVERY) else []

    def _due(self, step: Step, kind: str, text: str, now: float, every: float) -> bool:
        """True when it is new and the last line of this kind about the step is long enough ago."""
        key = f"{kind} {step.info.id}"
        # The first wait is told at once: it may never change again. The first progress is not: most steps are short.
        last, told = self._told.get(key, (step.started if kind == "progress" else 0.0, ""))
        if text == told or (now - last < every and not self._verbose):
            return False
        self._told[key] = (now, text)
        return True


def _done(step: Step) -> str:
    detail = f", {step.message}" if step.message else ""
    return f"done in {words.duration(step.seconds)}{'' if step.changed else ', nothing to change'}{detail}"
