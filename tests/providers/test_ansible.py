"""Real playbooks through ansible-runner, and its events as progress."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from mlstack.adapters.ansible import AnsiblePlaybooks, Recorder
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Event, StepProgress

PLAYBOOK = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Publish the plan
      ansible.builtin.set_stats:
        data: {mlstack_plan: "{{ {inventory_hostname: [{'id': 'x', 'text': 'Write the file'}]} }}"}
      when: announce
    - name: Write the file
      ansible.builtin.copy: {content: "{{ text }}", dest: "{{ dest }}", mode: "0600"}
    - name: Fail when asked
      ansible.builtin.command: sh -c 'echo the disk is on fire >&2; exit 3'
      when: fail
"""


@pytest.fixture
def playbooks(tmp_path: Path) -> AnsiblePlaybooks:
    directory = tmp_path / "playbooks"
    directory.mkdir()
    (directory / "write.yml").write_text(PLAYBOOK)
    return AnsiblePlaybooks(directory, tmp_path / "private")


def variables(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"text": "canary-value", "dest": str(tmp_path / "out"), "announce": False, "fail": False, **more}


@pytest.mark.slow
def test_check_only_predicts_and_a_failed_run_tells_what_was_done_and_what_went_wrong(
    playbooks: AnsiblePlaybooks, tmp_path: Path
) -> None:
    events: list[Event] = []
    predicted = playbooks.run("write", variables(tmp_path, announce=True), events.append, "host", check=True)
    assert (predicted.ok, predicted.changes) == (True, ("Write the file",))
    assert not (tmp_path / "out").exists()
    result = playbooks.run("write.yml", variables(tmp_path, fail=True), events.append, "host")
    assert (result.ok, result.changed, result.changes) == (False, 1, ("Write the file",))
    assert (tmp_path / "out").read_text() == "canary-value"
    progress = [event for event in events if isinstance(event, StepProgress)]
    assert {"Write the file", "Fail when asked"} <= {event.message for event in progress}
    assert all("canary-value" not in str(event.to_json()) for event in events)
    assert result.error is not None
    assert result.error.code == "playbook.failed"
    assert "task 'Fail when asked' on localhost" in result.error.why
    assert "the disk is on fire" in result.error.why
    private = tmp_path / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert [path.name for path in private.iterdir()] == ["write.log"]
    assert stat.S_IMODE((private / "write.log").stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_cancel_is_an_interruption(playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    result = playbooks.run("write", variables(tmp_path), lambda _event: None, "host", cancelled=lambda: True)
    assert result.error is not None
    assert result.error.exit_code is ExitCode.INTERRUPTED


def test_an_unknown_playbook_is_an_error(playbooks: AnsiblePlaybooks) -> None:
    with pytest.raises(MlstackError) as caught:
        playbooks.run("nothing", {}, lambda _event: None, "host")
    assert caught.value.code == "playbook.unknown"


def ended(kind: str, result: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"task": "T", "host": "h1", "res": result, **more}}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (ended("runner_on_failed", {"msg": "no", "stderr": "x" * 9000 + "end"}), "end"),
        (ended("runner_on_failed", {"censored": "hidden", "msg": "secret"}), "withheld"),
        (ended("runner_on_unreachable", {"msg": "ssh refused"}), "ssh refused"),
        (ended("runner_on_failed", {}), "no reason given"),
    ],
)
def test_reasons_of_failures(event: dict[str, Any], why: str, tmp_path: Path) -> None:
    recorder = Recorder(lambda _event: None, "host")
    recorder.take(event)
    error = recorder.result("failed", "p.yml", tmp_path / "log").error
    assert error is not None
    assert why in error.why
    assert "secret" not in error.why
    assert len(error.why) < 2000


def test_ignored_failures_are_none(tmp_path: Path) -> None:
    recorder = Recorder(lambda _event: None, "host")
    recorder.take(ended("runner_on_failed", {"msg": "no"}, ignore_errors=True))
    assert recorder.failures == []
    assert recorder.result("successful", "p.yml", tmp_path / "log").ok
