"""One invocation of a command: its options, its renderer, the opened app, and how its end becomes an exit code."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlstack.cli.render_json import JsonRenderer, envelope
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Emit, Event, Message

if TYPE_CHECKING:
    from mlstack.cli.usecases import App
    from mlstack.core.actions import Report


class Renderer(Protocol):
    """Shows the event stream. ``pause`` clears the way for a question; ``close`` must come before results are printed."""

    def emit(self, event: Event) -> None: ...
    def pause(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options every command takes."""

    file: Path | None = None
    name: str | None = None
    profile: str | None = None
    sets: tuple[str, ...] = ()
    json: bool = False
    plain: bool = False
    verbose: bool = False


@dataclass
class Session:
    """What a command works with. environ: the process environment."""

    options: Options
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @contextmanager
    def work(
        self, *, streaming: bool = True, flags: Mapping[str, Any] | None = None, watch: Emit | None = None
    ) -> Iterator[App]:
        """The opened app; events are rendered until the block ends.

        streaming: a run, whose events belong to the result (``--json`` writes them to stdout) and which Ctrl-C asks to stop;
        anything else just ends at Ctrl-C. flags: dotted path -> value. watch: gets every event beside the renderer.
        """
        from mlstack.cli.interrupt import Interrupt

        renderer = self._renderer(streaming)
        emit = renderer.emit if watch is None else _both(renderer.emit, watch)
        self._shown = renderer
        self._asking: Callable[[], AbstractContextManager[None]] = nullcontext
        try:
            if not streaming:
                yield self._open(emit, lambda: False, flags or {})
                return
            with Interrupt(lambda text: emit(Message(text=text, level="warning"))) as interrupt:
                self._asking = interrupt.suspended
                yield self._open(emit, interrupt.cancelled, flags or {})
        finally:
            renderer.close()

    def reader(self) -> App:
        """An app of its own for reading beside a run, from another thread: it shares nothing with the run and tells nothing."""
        return self._open(lambda _event: None, lambda: False, {})

    def _open(self, emit: Emit, cancelled: Callable[[], bool], flags: Mapping[str, Any]) -> App:
        from mlstack.app import open_app
        from mlstack.cli.usecases import LoadOptions

        options = self.options
        load = LoadOptions(
            file=options.file,
            name=options.name,
            sets=options.sets,
            flags={"profile": options.profile, **flags},
            environ=self.environ,
        )
        app: App = open_app(load, emit, cancelled)
        return app

    def _renderer(self, streaming: bool) -> Renderer:
        if self.options.json and streaming:
            return JsonRenderer(sys.stdout)
        dumb = self.environ.get("TERM", "") in ("", "dumb")
        if sys.stderr.isatty() and not (dumb or self.options.plain or self.options.json):
            from mlstack.cli.render_tty import TtyRenderer

            return TtyRenderer(sys.stderr, verbose=self.options.verbose)
        from mlstack.cli.render_plain import PlainRenderer

        return PlainRenderer(sys.stderr, verbose=self.options.verbose)

    def say(self, text: str = "") -> None:
        """A line of the result, for people; nothing with ``--json``."""
        if not self.options.json:
            print(text)

    def note(self, text: str) -> None:
        """A line beside the result, on stderr."""
        print(text, file=sys.stderr)

    def data(self, kind: str, result: object) -> None:
        """The result as one JSON line; nothing without ``--json``. Sequences become ``items``."""
        if not self.options.json:
            return
        if isinstance(result, Sequence):
            content: dict[str, Any] = {"items": [plain(item) for item in result]}
        else:
            content = plain(result)
        print(json.dumps(envelope(kind, content), default=str, ensure_ascii=False), flush=True)

    def confirm(self, question: str, lines: Sequence[str], *, yes: bool, unattended: bool) -> bool:
        """Shows what is about to happen and asks. yes: agreed already; unattended: the answer where nobody can be asked."""
        with self._shown.pause(), self._asking():
            for line in lines:
                self.note(line)
            if yes:
                return True
            if not sys.stdin.isatty() or self.options.json:
                return unattended
            self.note("")
            sys.stderr.write(f"{question} [y/N] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() in ("y", "yes")

    def require_yes(self, question: str, lines: Sequence[str], *, yes: bool, remedy: str) -> None:
        """As ``confirm`` for what cannot be taken back. Raises ``cli.not-confirmed``, also where nobody can be asked."""
        if self.confirm(question, lines, yes=yes, unattended=False):
            return
        asked = sys.stdin.isatty() and not self.options.json
        raise MlstackError(
            "cli.not-confirmed",
            "nothing was deleted",
            why="the answer was no" if asked else "there is no terminal to ask on",
            remedy=remedy,
            exit_code=ExitCode.USAGE,
        )

    def finish(self, report: Report, *, resume: str) -> ExitCode:
        """Tells what failed, and what to do to go on; the exit code of a run. resume: the command that goes on."""
        from mlstack.cli.failures import from_outcome
        from mlstack.cli.words import plural
        from mlstack.core.actions import Result

        failed = [outcome for outcome in report.outcomes if outcome.result is Result.FAILED]
        self.data(
            "Result",
            {
                "ok": report.ok,
                "interrupted": report.interrupted,
                "failed": [{"action": outcome.action, "error": outcome.error or {}} for outcome in failed],
                "done": sum(outcome.result is Result.DONE for outcome in report.outcomes),
                "changed": sum(outcome.changed for outcome in report.outcomes),
            },
        )
        if self.options.json:
            return exit_code(report)
        for outcome in failed:
            self.note(f"\n{from_outcome(outcome.error or {'what': outcome.action})}")
        blocked = sum(outcome.result is Result.BLOCKED for outcome in report.outcomes)
        if report.interrupted:
            self.note(f"\nStopped. What is done is kept: '{self.command(resume)}' goes on from here.")
        elif failed:
            rest = f"; {plural(blocked, 'step')} not started because of that" if blocked else ""
            self.note(f"\nNot finished{rest}. When it is mended, '{self.command(resume)}' goes on from here.")
        return exit_code(report)

    def command(self, text: str) -> str:
        """A command for the user to type, with the options that lead to the same instance."""
        options = self.options
        file = f" -f {options.file}" if options.file else ""
        name = f" --name {options.name}" if options.name else ""
        return f"mlstack {text}{file}{name}"


def _both(first: Emit, second: Emit) -> Emit:
    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit


def exit_code(report: Report) -> ExitCode:
    """The exit code of a run."""
    if report.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if report.ok else ExitCode.FAILED


def fail(error: MlstackError, *, as_json: bool) -> ExitCode:
    """Shows the error (on stdout as a line ``Error`` with ``--json``); its exit code."""
    from mlstack.cli.failures import as_data, as_text

    if as_json:
        print(json.dumps(envelope("Error", as_data(error)), default=str, ensure_ascii=False), flush=True)
    else:
        print(as_text(error), file=sys.stderr)
    return error.exit_code


def plain(result: object) -> dict[str, Any]:
    """A result as the data of a JSON line."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        data = dataclasses.asdict(result)
        for name in ("ready", "ok", "healthy"):
            if isinstance(getattr(type(result), name, None), property):
                data[name] = getattr(result, name)
        return data
    return dict(result) if isinstance(result, Mapping) else {"value": result}
