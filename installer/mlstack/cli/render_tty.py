"""Live progress in a terminal: a line a group, the running steps below it, what they wait for. Lines never wrap, the view never
grows past the screen, and it is redrawn in place at a steady rate, so that nothing flickers when the window changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from mlstack.cli import words
from mlstack.cli.progress import Group, Phase, Run, Step, closing
from mlstack.core.events import Event, LogLine, Message, RunFinished, RunStarted, SampleStep
from mlstack.core.redact import redact

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

REFRESH = 8
"""Redraws a second."""
BAR = 24
ROOM_FOR_ECHO = 3
"""Columns left free: the terminal echoes ``^C`` behind the last line, which must not wrap or a redraw misses a line."""
RUNNING_SHOWN = 4
PENDING_SHOWN = 3
MARKS = {
    Phase.QUEUED: ("·", "dim"),
    Phase.RUNNING: ("", "cyan"),
    Phase.DONE: ("✓", "green"),
    Phase.FAILED: ("✗", "bold red"),
    Phase.BLOCKED: ("-", "yellow"),
}
ASCII = {"·": ".", "✓": "+", "✗": "x", "━": "=", "╸": ">", "─": "-", "…": "..."}
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"


class TtyRenderer:
    """Draws on a terminal. verbose: log lines of steps are printed above the view."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        from rich.console import Console

        self._console: Console = Console(file=stream, highlight=False, force_terminal=True)
        self._verbose = verbose
        self._run = Run()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._unicode = (getattr(stream, "encoding", "") or "").lower().startswith("utf")

    def emit(self, event: Event) -> None:
        """Takes the event in; the next redraw shows it."""
        with self._lock:
            step = self._run.apply(event)
        if isinstance(event, RunStarted):
            self._open()
        elif isinstance(event, Message):
            self._above(event.text, {"warning": "yellow", "error": "red"}.get(event.level, ""))
        elif isinstance(event, LogLine) and (self._verbose or not event.step):
            self._above(f"{event.source} | {event.text}", "dim")
        elif isinstance(event, SampleStep):
            failed = event.phase in ("Failed", "Error")
            self._above(words.sample_step(event), "red" if failed else "bold")
        elif isinstance(event, RunFinished):
            self._finish(event)
        elif step is not None and step.phase is Phase.FAILED:
            self._above(f"{step.info.group}: {step.info.title}: {step.error.get('what', 'failed')}", "red")

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Takes the view away while something else uses the terminal (a question)."""
        running = self._live is not None
        self.close()
        yield
        if running:
            self._open()

    def close(self) -> None:
        """Takes the view away and gives the cursor back."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _open(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                get_renderable=self._view,
                console=self._console,
                refresh_per_second=REFRESH,
                transient=True,
                vertical_overflow="crop",
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _above(self, text: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text(redact(text), style=style), soft_wrap=True)

    def _finish(self, event: RunFinished) -> None:
        self.close()
        with self._lock:
            lines = [self._group_line(group, event.time) for group in self._run.groups.values()]
        for line in lines:
            self._console.print(line, overflow="ellipsis", no_wrap=True)
        self._console.print(
            self._text(f"{self._run.command} '{self._run.instance}' {closing(event)}", "bold"), soft_wrap=True
        )

    def _view(self) -> RenderableType:
        from rich.console import Group as Lines

        now = time.time()
        with self._lock:
            lines = [self._headline(now), *self._body(now, self._console.size.height - 2)]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis" if self._unicode else "crop"
            line.truncate(max(1, self._console.size.width - ROOM_FOR_ECHO), overflow=line.overflow)
        return Lines(*lines)

    def _headline(self, now: float) -> Text:
        run = self._run
        text = self._text(f"{run.command} '{run.instance}' ", "bold")
        text.append_text(self._bar(run.fraction(now)))
        text.append(f"  {run.count(Phase.DONE)}/{len(run.steps)} steps, {words.clock(now - run.started)}")
        left = run.remaining(now)
        text.append(f", {words.about(left)} left" if left else "")
        return text

    def _body(self, now: float, height: int) -> list[Text]:
        """The groups with their running steps; when the screen is too small, finished and queued groups are summed up."""
        groups = list(self._run.groups.values())
        active = [group for group in groups if group.phase in (Phase.RUNNING, Phase.FAILED)]
        details = {group.name: self._details(group, now) for group in active}
        if len(groups) + sum(map(len, details.values())) <= height:
            return [line for group in groups for line in (self._group_line(group, now), *details.get(group.name, []))]
        lines = [line for group in active for line in (self._group_line(group, now), *details[group.name])]
        if len(lines) >= height:
            lines = [self._group_line(group, now) for group in active]
        done, queued = (sum(group.phase is phase for group in groups) for phase in (Phase.DONE, Phase.QUEUED))
        return [*lines[: max(1, height - 1)], self._text(f"  {done} done, {queued} to come", "dim")]

    def _group_line(self, group: Group, now: float) -> Text:
        mark, style = MARKS[group.phase]
        text = self._text(f" {mark or self._spin(now)} ", style)
        text.append(
            f"{group.name:<20}",
            "bold" if group.phase is Phase.RUNNING else "dim" if group.phase is Phase.QUEUED else "",
        )
        text.append(f" {group.finished:>3}/{len(group.steps):<3}")
        seconds = group.seconds(now)
        text.append(f" {words.clock(seconds):>7}" if seconds else " " * 8, "dim")
        blocked = sum(step.phase is Phase.BLOCKED for step in group.steps)
        text.append(f"  {blocked} not started" if blocked else "", "yellow")
        return text

    def _details(self, group: Group, now: float) -> list[Text]:
        running = group.running()
        lines = [line for step in running[:RUNNING_SHOWN] for line in self._step_lines(step, now)]
        more = len(running) - RUNNING_SHOWN
        return [*lines, self._text(f"     and {more} more at work", "dim")] if more > 0 else lines

    def _step_lines(self, step: Step, now: float) -> list[Text]:
        text = self._text(f"     {step.info.title}  ")
        text.append(words.clock(now - step.started), "dim")
        if step.total:
            text.append("  ").append_text(self._bar(step.fraction(now)))
        if step.done or step.total:
            text.append(f"  {words.amount(step.done, step.total, step.unit)}")
        left = step.info.estimate - (now - step.started)
        if step.info.estimate >= 10 and left > 0:
            text.append(f"  {words.about(left)} left", "dim")
        text.append(f"  {redact(step.message)}" if step.message else "", "dim")
        lines = [text]
        for pending in step.pending[:PENDING_SHOWN]:
            lines.append(self._text(f"       waiting for {pending.resource}: {redact(pending.reason)}", "yellow"))
        more = len(step.pending) - PENDING_SHOWN
        return [*lines, self._text(f"       and {more} more", "yellow")] if more > 0 else lines

    def _bar(self, fraction: float) -> Text:
        filled = round(fraction * BAR)
        text = self._text("━" * filled, "cyan")
        return text.append_text(self._text("─" * (BAR - filled), "dim"))

    def _spin(self, now: float) -> str:
        frames = SPINNER if self._unicode else ASCII_SPINNER
        return frames[int(now * REFRESH) % len(frames)]

    def _text(self, content: str, style: str = "") -> Text:
        from rich.text import Text

        if not self._unicode:
            content = "".join(ASCII.get(char, char) for char in content)
        return Text(content, style=style)
