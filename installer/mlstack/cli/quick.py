"""The short way of ``mlstack up``: says again what the last one said, when ``app.unchanged`` finds everything as it was.

Imports as little as it can. Lines and events are those of the usual way (tests hold them together).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlstack.app import unchanged
from mlstack.app.unchanged import Asked

VALUED = {"-f": "file", "--file": "file", "--name": "name", "--profile": "profile", "--set": "sets"}
PLAIN = frozenset({"-y", "--yes", "--plain", "--no-ui"})
"""Flags that make no difference where there is nothing to do."""


class Line(NamedTuple):
    """A command line of ``up`` as far as the short way understands it."""

    asked: Asked
    json: bool


def parse(arguments: Sequence[str], cwd: str) -> Line | None:
    """What is asked; None for anything that the usual way has to look at: other flags, ``--flag=value``, errors."""
    values: dict[str, list[str]] = {"file": [], "name": [], "profile": [], "sets": []}
    rest, as_json = iter(arguments), False
    for argument in rest:
        if argument in VALUED:
            value = next(rest, None)
            if value is None:
                return None
            values[VALUED[argument]].append(value)
        elif argument == "--json":
            as_json = True
        elif argument not in PLAIN:
            return None
    last = {name: (found[-1] if found else "") for name, found in values.items()}
    return Line(Asked(last["file"], last["name"], last["profile"], tuple(values["sets"]), cwd), as_json)


def attempt(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Answers ``mlstack up`` if nothing has changed. arguments: those behind ``up``. False: take the usual way."""
    started = time.time()
    try:
        line = parse(arguments, str(Path.cwd()))
        record = unchanged.read(_state(environ), line.asked) if line else None
        if line is None or record is None or not unchanged.holds(record, environ, started):
            return False
        told = record["told"]
        out, beside = list(_events(told, started) if line.json else told["lines"]), []
        if not line.json:
            beside = list(_progress(told["status"]["instance"], time.time() - started))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False  # a record that is damaged, or of a working directory that is gone
    for stream, lines in ((sys.stderr, beside), (sys.stdout, out)):
        for text in lines:
            print(text, file=stream)
        stream.flush()
    return True


def _state(environ: Mapping[str, str]) -> Path:
    if environ.get("MLSTACK_STATE_DIR"):
        return Path(environ["MLSTACK_STATE_DIR"]).absolute()
    import platformdirs

    return platformdirs.user_state_path("mlstack").absolute()


def _progress(instance: str, seconds: float) -> Iterator[str]:
    from mlstack.cli.words import clock, duration

    yield f"{clock(0):>7}  up of '{instance}': 0 steps"
    yield f"{clock(seconds):>7}  ok after {duration(seconds)}: 0 done, 0 changed"


def _events(told: Mapping[str, Any], started: float) -> Iterator[str]:
    ended, none = time.time(), {"done": 0, "failed": 0, "blocked": 0, "changed": 0}
    instance = told["status"]["instance"]
    opening = {"time": started, "command": "up", "instance": instance, "steps": [], "estimate": 0.0}
    result = {"ok": True, "interrupted": False, "failed": [], "done": 0, "changed": 0}
    for kind, content in (
        ("RunStarted", opening),
        ("RunFinished", {"time": ended, "outcome": "ok", "seconds": ended - started, **none}),
        ("Result", result),
        ("Status", told["status"]),
    ):
        yield json.dumps({"v": told["events"], "type": kind, **content}, ensure_ascii=False)


def told_of(status: Mapping[str, Any], lines: Sequence[str], events: int) -> dict[str, Any]:
    """What a record keeps of what a run said. status: as ``--json`` has it; events: the version of the event stream."""
    return {"status": dict(status), "lines": list(lines), "events": events}
