"""Commands that run a plan: what they ask, hand over, and say when it fails."""

import os

import pytest
from fakeapp import HOST_CHANGES

from mlstack.core.errors import ExitCode


def test_a_run_with_json_is_events_then_a_result(mlstack):
    types = [line["type"] for line in mlstack("up", "--json", "--yes").lines]
    assert types[0] == "RunStarted" and types[-3:] == ["RunFinished", "Result", "Status"]
    failed = mlstack("up", "--json", "--yes", fails=True).lines[-1]
    assert failed["ok"] is False and failed["failed"][0]["error"]["code"] == "wait.timeout"


def test_an_up_that_ended_well_hands_over_what_it_said_and_how_it_was_asked(mlstack):
    ran = mlstack("up", "--yes", "--name", "lab", "--set", "provider.kind.nodes=2")
    (_, asked, told) = next(call for call in ran.calls if call[0] == "settle")
    assert (asked.file, asked.name, asked.profile, asked.sets) == ("", "lab", "", ("provider.kind.nodes=2",))
    assert "\n".join(told["lines"]) in ran.out and told["status"]["instance"] == "lab"
    for other in (mlstack("up", "--yes", fails=True), mlstack("up", "--yes", "--no-host-changes")):
        assert not [call for call in other.calls if call[0] == "settle"]


def test_a_failed_run_says_what_to_do(mlstack):
    ran = mlstack("--name", "lab", "up", fails=True)
    assert ran.out == ""
    for text in (
        "minio is not ready [wait.timeout]",
        "do:  mlstack logs minio",
        "'mlstack up --name lab' goes on from here",
    ):
        assert text in ran.err


def test_what_goes_on_from_a_failed_up_keeps_its_settings(mlstack):
    ran = mlstack("up", "--name", "lab", "--set", "provider.kind.nodes=2", "--set", "auth.provider=a b", fails=True)
    assert "'mlstack up --set provider.kind.nodes=2 --set 'auth.provider=a b' --name lab' goes on from here" in ran.err


def test_host_changes_are_shown_and_root_without_terminal_goes_on(mlstack, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ran = mlstack("up", host=HOST_CHANGES)
    assert ran.code == 0 and all(change in ran.err for change in HOST_CHANGES) and "running as root" in ran.err
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = mlstack("up", host=HOST_CHANGES)
    assert ran.code == ExitCode.PREFLIGHT and "--yes agrees" in ran.err
    assert mlstack("up", "--yes", host=HOST_CHANGES).code == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("", 3)])
def test_host_changes_are_asked_for_in_a_terminal(mlstack, monkeypatch, answer, code):
    class Terminal:
        def isatty(self):
            return True

        def readline(self):
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    ran = mlstack("up", host=HOST_CHANGES)
    assert ran.code == code and "Make these changes? [y/N]" in ran.err


def test_purge_needs_a_yes(mlstack):
    for flag in ("--purge", "--undo-host"):
        ran = mlstack("down", flag)
        assert ran.code == 2 and "cli.not-confirmed" in ran.err
        assert all(call[0] != "down" for call in ran.calls)
