"""What ``down`` leaves on disk."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlstack.app import lifecycle
from mlstack.app.choices import FILE, Choices
from mlstack.app.clearing import clear, others
from mlstack.core.actions import Plan, Report
from mlstack.core.desired import Facts, HostFacts
from mlstack.core.model import ClusterFacts, ClusterState, Paths


@pytest.fixture
def session(tmp_path: Path) -> Any:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state", data=tmp_path)
    directory = paths.instance("lab")
    (directory / "volumes" / "minio").mkdir(parents=True)
    (directory / "journal.jsonl").write_text("{}")
    (paths.state / "ansible").mkdir()
    (paths.state / "ansible" / "host.log").write_text("ok")
    return SimpleNamespace(paths=paths, directory=directory, locked=False)


def test_kept_volumes_stay_and_the_shared_logs_with_them(session: Any) -> None:
    clear(session, keep=("volumes",))
    assert [path.name for path in session.directory.iterdir()] == ["volumes"]
    assert (session.paths.state / "ansible" / "host.log").exists()


def test_what_was_chosen_stays_with_the_data_but_the_ports_go(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session.choices = Choices(session.directory / FILE)
    session.choices.write(profile="standard", addons={"registry": True}, ports={"gateway": 8443})
    monkeypatch.setattr(lifecycle, "carry_out", lambda *_, **__: Report(()))
    lifecycle.down(session, purge=False, undo_host=False)
    assert session.choices.read() == {"profile": "standard", "addons": {"registry": True}}
    lifecycle.down(session, purge=True, undo_host=False)
    assert not session.directory.exists()


def test_an_instance_without_data_and_choices_leaves_nothing(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (session.directory / "volumes" / "minio").rmdir()
    session.choices = Choices(session.directory / FILE)
    session.choices.write(ports={"gateway": 8443})
    monkeypatch.setattr(lifecycle, "carry_out", lambda *_, **__: Report(()))
    lifecycle.down(session, purge=False, undo_host=False)
    assert not session.directory.exists()


def test_the_last_instance_leaves_nothing(session: Any) -> None:
    clear(session, keep=())
    assert not session.paths.state.exists()


def test_files_that_are_not_ours_stay(session: Any) -> None:
    (session.paths.state / "notes.txt").write_text("mine")
    clear(session, keep=())
    assert [path.name for path in session.paths.state.iterdir()] == ["notes.txt"]


def test_another_instance_keeps_the_shared_logs(session: Any) -> None:
    session.paths.instance("other").mkdir()
    (session.paths.instance("other") / "choices.json").write_text("{}")
    assert others(session) == ["other"]
    clear(session, keep=())
    assert (session.paths.state / "ansible").exists() and not session.directory.exists()
    assert others(session) == ["other"]


def test_a_name_that_images_were_built_for_is_no_instance(session: Any) -> None:
    built = session.paths.instance("built")
    built.mkdir()
    for name in ("lock", "journal.jsonl"):
        (built / name).write_text("{}")
    assert others(session) == []
    (built / "cluster.json").write_text("{}")
    assert others(session) == ["built"]


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_makes_no_platform_leaves_no_instance(
    session: Any, monkeypatch: pytest.MonkeyPatch, made: bool, fails: bool
) -> None:
    built = session.paths.instance("built")
    session.directory, session.name, session.connect = built, "built", None
    if made:
        built.mkdir()
        (built / "cluster.json").write_text("{}")

    class Runner:
        def run(self, plan: Plan) -> str:
            (built / "journal.jsonl").write_text("{}")
            if fails:
                raise OSError("no space")
            return "report"

    monkeypatch.setattr(lifecycle, "_runner", lambda *_: Runner())
    facts = Facts(HostFacts(), ClusterFacts(ClusterState.ABSENT))
    with contextlib.suppress(OSError):
        assert lifecycle.run_plan(session, "images build", Plan("built", "images build", ()), facts) == "report"
    assert built.exists() is made and (built / "journal.jsonl").exists() is made
