"""Secrets that the user gives by reference: when they are set, when they are left alone, and what is said without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlstack.adapters.given import GivenSecrets
from mlstack.core.actions import GenerateSecret
from mlstack.core.desired import Facts, HostFacts, LiveObject, RenderedStack, Wanted
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState, ResourceId
from mlstack.core.plan import plan_up
from mlstack.core.servicespec import SecretSpec

SPEC = SecretSpec(name="client", literals={"id": "me"}, given={"secret": "env:WORD"}, copies=["login"])
WANTED = Wanted(ClusterSpec("i", "1.36"), (RenderedStack("app", "1", "ns", (), secrets=(SPEC,)),))
PLACES = [ResourceId("Secret", "client", namespace) for namespace in ("ns", "login")]
FACTS = Facts(HostFacts(engine="28"), ClusterFacts(ClusterState.RUNNING))


def planned(mark: str = "", given: dict[str, str] | None = None, present: bool = True) -> list[GenerateSecret]:
    live = {rid: LiveObject(rid, mark, "") for rid in PLACES} if present else {}
    plan = plan_up(WANTED, replace(FACTS, live=live, given=given or {}))
    return [action for action in plan.actions if isinstance(action, GenerateSecret)]


def test_a_secret_is_set_when_absent_or_changed_and_else_left_alone() -> None:
    (first,) = planned(given={"env:WORD": "h1"}, present=False)
    assert first.given == SPEC.given and first.mark and first.title.startswith("Set Secret/")
    assert planned(first.mark, {"env:WORD": "h1"}) == []
    (again,) = planned(first.mark, {"env:WORD": "h2"})
    assert again.mark != first.mark and "changed" in again.why


def test_what_cannot_be_read_now_leaves_what_is_there_and_is_an_error_where_nothing_is() -> None:
    assert planned("mark") == []
    with pytest.raises(MlstackError) as caught:
        planned(present=False)
    assert (caught.value.code, caught.value.exit_code) == ("secret.not-given", ExitCode.USAGE)
    assert "environment variable WORD" in caught.value.what


def test_references_are_read_without_their_line_end_and_errors_tell_no_value(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("s3cret\n")
    given = GivenSecrets({"WORD": "s3cret", "EMPTY": ""})
    assert given.read("env:WORD") == given.read(f"file:{file}") == "s3cret"
    hashes = given.hashes(["env:WORD", f"file:{file}", "env:EMPTY", "file:/nowhere", ""])
    assert set(hashes) == {"env:WORD", f"file:{file}"} and len(set(hashes.values())) == 1
    assert "s3cret" not in repr(hashes)
    for reference in ("env:EMPTY", "env:NONE", f"file:{tmp_path}", "file:/nowhere", ""):
        with pytest.raises(MlstackError) as caught:
            given.read(reference)
        assert caught.value.code == "secret.not-given"
