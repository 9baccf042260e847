"""The short way of ``up``: what it takes on, and that it says what the usual way says."""

from __future__ import annotations

import io
import json
import sys

import pytest

from mlstack import __main__ as entry
from mlstack.app import unchanged
from mlstack.cli import quick
from mlstack.cli.render_json import JsonRenderer
from mlstack.cli.render_plain import PlainRenderer
from mlstack.core.events import EVENTS_VERSION, RunFinished, RunStarted

TOLD = quick.told_of({"instance": "lab", "ready": True}, ["", "'lab' is running."], EVENTS_VERSION)


@pytest.fixture
def holding(monkeypatch):
    """A record that holds for any command line that the short way understands."""
    seen = []
    monkeypatch.setattr(unchanged, "read", lambda _state, asked: seen.append(asked) or {"told": TOLD})
    monkeypatch.setattr(unchanged, "holds", lambda _record, _environ, _now: True)
    return seen


@pytest.mark.parametrize(
    ("arguments", "asked", "as_json"),
    [
        ([], ("", "", "", ()), False),
        (["--yes", "--plain", "--no-ui"], ("", "", "", ()), False),
        (["-y", "--json", "--name", "lab"], ("", "lab", "", ()), True),
        (["-f", "a.yaml", "--profile", "standard"], ("a.yaml", "", "standard", ()), False),
        (["--set", "a=1", "--set", "b=2"], ("", "", "", ("a=1", "b=2")), False),
    ],
)
def test_command_lines_it_understands(arguments, asked, as_json):
    line = quick.parse(arguments, "/here")
    assert (tuple(line.asked), line.json) == ((*asked, "/here"), as_json)


@pytest.mark.parametrize(
    "arguments",
    [["--dry-run"], ["--ui"], ["-v"], ["--name=lab"], ["--name"], ["stray"], ["--no-host-changes"], ["--help"]],
)
def test_everything_else_goes_the_usual_way(arguments):
    assert quick.parse(arguments, "/here") is None


def test_without_a_record_nothing_is_said(tmp_path, capsys):
    assert not quick.attempt([], {"MLSTACK_STATE_DIR": str(tmp_path)})
    assert capsys.readouterr() == ("", "")


def test_a_record_that_lacks_parts_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(unchanged, "read", lambda _state, _asked: {"made": 0})
    assert not quick.attempt([], {"MLSTACK_STATE_DIR": str(tmp_path)})


def test_plain_lines_are_those_of_the_usual_way(holding, capsys):
    assert quick.attempt(["--yes"], {"MLSTACK_STATE_DIR": "/none"})
    shown = capsys.readouterr()
    stream = io.StringIO()
    usual = PlainRenderer(stream)
    usual.emit(RunStarted(command="up", instance="lab"))
    usual.emit(RunFinished(outcome="ok", seconds=0.0, done=0, failed=0, blocked=0, changed=0))
    assert shown.err.replace("0.1 s", "0.0 s") == stream.getvalue()
    assert shown.out == "\n'lab' is running.\n"


def test_events_are_those_of_the_usual_way(holding, capsys):
    assert quick.attempt(["--json"], {"MLSTACK_STATE_DIR": "/none"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stream = io.StringIO()
    usual = JsonRenderer(stream)
    usual.emit(RunStarted(command="up", instance="lab"))
    usual.emit(RunFinished(outcome="ok", seconds=0.0, done=0, failed=0, blocked=0, changed=0))
    expected = [json.loads(line) for line in stream.getvalue().splitlines()]
    for found, wanted in zip(lines, expected, strict=False):
        changing = {"time": 0, "seconds": 0}
        assert {**found, **changing} == {**wanted, **changing}
        assert list(found)[:2] == ["v", "type"]
    assert [line["type"] for line in lines] == ["RunStarted", "RunFinished", "Result", "Status"]
    assert lines[2] == {
        "v": 1,
        "type": "Result",
        "ok": True,
        "interrupted": False,
        "failed": [],
        "done": 0,
        "changed": 0,
    }
    assert lines[3] == {"v": 1, "type": "Status", "instance": "lab", "ready": True}


def test_the_program_takes_it_without_the_command_line_library(holding, monkeypatch, capsys):
    monkeypatch.setenv("MLSTACK_STATE_DIR", "/none")
    monkeypatch.delitem(sys.modules, "mlstack.cli.root", raising=False)
    assert entry.main(["up", "--yes"]) == 0
    assert "mlstack.cli.root" not in sys.modules
    assert "'lab' is running." in capsys.readouterr().out
