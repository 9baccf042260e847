"""An object that its own controller works on, as samples follow it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlstack.core.resourcerun import (
    failed_part,
    is_resource_result,
    look_up,
    needs_log,
    resource_ended,
    resource_message,
    resource_phase,
    resource_results,
    shown_line,
)
from mlstack.core.samplefile import Follow, SampleSpec

FOLLOW = Follow(
    resource="jobs", plain=["true"], pods="job={name}", container="c", progress="{status.done} of {spec.wanted} done"
)
OBJ: dict[str, Any] = {
    "spec": {"wanted": 4},
    "status": {
        "done": 2,
        "conditions": [
            {"type": "Created", "status": "True", "message": "made"},
            {"type": "Running", "status": "True", "message": "runs"},
            {"type": "Failed", "status": "False", "message": "not so"},
        ],
        "best": {"metrics": [{"name": "loss", "latest": "0.3"}, {"name": "accuracy", "latest": "0.9"}]},
    },
}


def with_condition(kind: str, message: str = "") -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "message": message}
    return {**OBJ, "status": {**OBJ["status"], "conditions": [*OBJ["status"]["conditions"], condition]}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("status.done", 2),
        ("status.best.metrics[name=accuracy].latest", "0.9"),
        ("status.best.metrics[name=other].latest", None),
        ("status.done.deeper", None),
        ("status.best[name=x]", None),
    ],
)
def test_a_path_finds_what_is_there(path: str, found: Any) -> None:
    assert look_up(OBJ, path) == found


def test_conditions_tell_the_phase_and_why() -> None:
    assert (resource_phase({}, FOLLOW), resource_message({}, FOLLOW)) == ("Pending", "")
    assert (resource_phase(OBJ, FOLLOW), resource_message(OBJ, FOLLOW)) == ("Running", "2 of 4 done")
    assert resource_phase(with_condition("Succeeded"), FOLLOW) == "Succeeded"
    failed = with_condition("Failed", "no trial succeeded")
    assert (resource_phase(failed, FOLLOW), resource_message(failed, FOLLOW)) == ("Failed", "no trial succeeded")
    silent = FOLLOW.model_copy(update={"progress": ""})
    assert resource_message(OBJ, silent) == "runs"


def test_progress_counts_from_nothing() -> None:
    early = {"spec": {"wanted": 4}, "status": {"conditions": [{"type": "Created", "status": "True"}]}}
    assert resource_message(early, FOLLOW) == "0 of 4 done"


def test_results_come_from_the_object_and_from_the_last_record_that_was_printed() -> None:
    lines = ["starting", '{"loss": 0.5, "nodes": 2}', "{not json", "[1]", '{"loss": 0.1}', '"text"']
    wanted = {
        "accuracy": "object:status.best.metrics[name=accuracy].latest",
        "loss": "log:loss",
        "nodes": "log:nodes",
        "gone": "log:gone",
    }
    assert resource_results(OBJ, lines, wanted) == {"accuracy": "0.9", "loss": "0.1", "nodes": "2"}


@pytest.mark.parametrize("where", ["object:status.a[b=c].d", "log:loss"])
def test_such_results_may_be_named(where: str) -> None:
    assert is_resource_result(where)


@pytest.mark.parametrize(
    "where", ["object:", "object:status..a", "object:a[b]", "log:", "log:a b", "status.a", "parameter:a/b"]
)
def test_others_may_not(where: str) -> None:
    assert not is_resource_result(where)


def test_a_pattern_says_what_is_shown_of_the_log() -> None:
    assert shown_line("as it is", FOLLOW) == "as it is"
    some = Follow(resource="jobs", plain=["true"], pods="a", container="c", lines=r"^I\d+ (.+)$")
    assert (shown_line("I12 accuracy=1", some), shown_line("W12 no", some)) == ("accuracy=1", None)


@pytest.mark.parametrize("lines", ["a", "(a)(b)", "("])
def test_the_pattern_has_one_group(lines: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Follow(resource="jobs", plain=["true"], pods="a", container="c", lines=lines)


@pytest.mark.parametrize(
    "more", [{"runner": "resource"}, {"follow": {"resource": "jobs", "plain": ["true"], "pods": "a", "container": "c"}}]
)
def test_how_to_follow_goes_with_its_runner(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="goes with runner"):
        SampleSpec.model_validate({"object": {}, **more})


def test_its_end_is_when_the_condition_that_means_so_came_true() -> None:
    at = {"lastTransitionTime": "2026-11-01T10:00:30Z"}
    told = [
        {"type": "Created", "status": "True", "lastTransitionTime": "2026-11-01T10:00:00Z"},
        {"type": "Failed", "status": "False", "lastTransitionTime": "2026-11-01T10:00:01Z"},
    ]
    assert resource_ended({"status": {"conditions": told}}, FOLLOW) == ""
    for kind in ("Succeeded", "Failed"):
        ended = {"status": {"conditions": [*told, {"type": kind, "status": "True", **at}]}}
        assert resource_ended(ended, FOLLOW) == at["lastTransitionTime"]
    assert resource_ended({}, FOLLOW) == ""


def test_logs_are_read_only_for_results_that_are_in_them() -> None:
    assert needs_log({"a": "object:status.x", "b": "log:loss"})
    assert not needs_log({"a": "object:status.log:x"})


ONE = FOLLOW.model_copy(
    update={"failed": "Succeeded=False", "step": "task", "progress": "{status.conditions[type=Succeeded].message}"}
)


@pytest.mark.parametrize(
    ("status", "phase", "ended"), [("Unknown", "Running", ""), ("False", "Failed", "now"), ("True", "Succeeded", "now")]
)
def test_one_condition_may_tell_both_ends(status: str, phase: str, ended: str) -> None:
    told = {"type": "Succeeded", "status": status, "message": "1 of 2", "lastTransitionTime": "now"}
    obj = {"status": {"conditions": [told]}}
    assert (resource_phase(obj, ONE), resource_message(obj, ONE), resource_ended(obj, ONE)) == (phase, "1 of 2", ended)


def test_progress_that_is_empty_says_nothing() -> None:
    assert (
        resource_message({"status": {"conditions": [{"type": "Succeeded", "status": "Unknown", "message": ""}]}}, ONE)
        == ""
    )


@pytest.mark.parametrize("condition", ["", "a b", "Succeeded=", "Succeeded=Maybe"])
def test_a_condition_is_a_type_or_a_type_and_a_status(condition: str) -> None:
    with pytest.raises(ValidationError):
        Follow(resource="jobs", plain=["true"], pods="a", container="c", failed=condition)


def container(name: str, code: int, at: str, reason: str = "Error") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "finishedAt": at, "reason": reason}}}


def pod(phase: str, *containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {"name": "p-1", "labels": {"task": "evaluate"}}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": list(containers), **status}}


def test_a_pod_that_failed_is_named_with_the_container_that_ended_badly_first() -> None:
    ended = [container("late", 1, "2"), container("first", 3, "1"), container("fine", 0, "0", "Completed")]
    found = failed_part(pod("Failed", *ended), ONE)
    assert found and (found.id, found.name, found.phase) == ("p-1", "evaluate", "Failed")
    assert found.message == "container first ended with exit code 3"
    killed = failed_part(pod("Failed", container("main", 137, "1", "OOMKilled")), FOLLOW)
    assert killed and (killed.name, killed.message) == ("p-1", "container main ended with exit code 137 (OOMKilled)")
    told = container("main", 1, "1") | {
        "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no\ndata"}}
    }
    assert (said := failed_part(pod("Failed", told), ONE)) and said.message.endswith("exit code 1 (no data)")
    evicted = failed_part(pod("Failed", reason="Evicted"), ONE)
    assert evicted and evicted.message == "Evicted"
    waits = {"name": "main", "state": {"waiting": {"reason": "x"}}}
    before = pod("Failed", waits, initContainerStatuses=[container("prepare", 2, "1")])
    assert (said := failed_part(before, ONE)) and said.message == "container prepare ended with exit code 2"


@pytest.mark.parametrize("phase", ["Pending", "Running", "Succeeded"])
def test_a_pod_that_did_not_fail_is_not_named(phase: str) -> None:
    assert failed_part(pod(phase, container("main", 1, "1")), ONE) is None


def test_a_pod_whose_phase_is_told_later_than_its_containers_end_is_named() -> None:
    """Its controller calls the object failed as soon as it sees the container's end."""
    never = {"spec": {"restartPolicy": "Never"}}
    found = failed_part(pod("Running", container("main", 1, "1")) | never, ONE)
    assert found and found.message == "container main ended with exit code 1"
    assert failed_part(pod("Running", container("main", 0, "1", "Completed")) | never, ONE) is None
    helper = pod(
        "Succeeded", container("main", 0, "1", "Completed"), initContainerStatuses=[container("helper", 137, "2")]
    )
    assert failed_part(helper | never, ONE) is None


STATE = Follow(
    resource="apps",
    plain=["true"],
    state="status.app.state",
    succeeded="COMPLETED",
    failed="FAILED",
    ended="status.end",
    reason="status.app.message",
    progress="{status.app.done} done",
    pods="app={name}",
    container="c",
)


@pytest.mark.parametrize(
    ("status", "phase", "message", "end"),
    [
        ({}, "Pending", "", ""),
        ({"app": {"state": ""}}, "Pending", "", ""),
        ({"app": {"state": "RUNNING", "done": 2}, "end": None}, "Running", "2 done", ""),
        (
            {"app": {"state": "COMPLETED", "done": 3}, "end": "2026-01-01T00:00:00Z"},
            "Succeeded",
            "3 done",
            "2026-01-01T00:00:00Z",
        ),
        (
            {"app": {"state": "FAILED", "message": "why"}, "end": "2026-01-01T00:00:00Z"},
            "Failed",
            "why",
            "2026-01-01T00:00:00Z",
        ),
        ({"app": {"state": "FAILED"}}, "Failed", "", ""),
    ],
)
def test_a_field_tells_the_state_where_conditions_do_not(
    status: dict[str, Any], phase: str, message: str, end: str
) -> None:
    obj = {"status": status}
    assert (resource_phase(obj, STATE), resource_message(obj, STATE), resource_ended(obj, STATE)) == (
        phase,
        message,
        end,
    )
