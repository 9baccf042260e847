"""Reading a Workflow's status: steps with attempts, results, artifact places."""

from __future__ import annotations

from mlstack.core.workflow import finished, phase_of, results_of, steps_of

FLOW = {
    "metadata": {"name": "w-1", "namespace": "ml"},
    "status": {
        "phase": "Succeeded",
        "finishedAt": "2026-11-01T10:00:30Z",
        "artifactRepositoryRef": {"artifactRepository": {"s3": {"bucket": "flows"}}},
        "nodes": {
            "w-1": {"type": "DAG", "displayName": "w-1", "outputs": {"parameters": [{"name": "sum", "value": "5"}]}},
            "r": {"type": "Retry", "displayName": "flaky", "children": ["a", "b"], "startedAt": "2026-11-01T10:00:00Z"},
            "b": {
                "type": "Pod",
                "displayName": "flaky(1)",
                "phase": "Succeeded",
                "startedAt": "2026-11-01T10:00:10Z",
                "finishedAt": "2026-11-01T10:00:14Z",
                "outputs": {"artifacts": [{"name": "model", "s3": {"key": "w-1/model"}}]},
            },
            "a": {
                "type": "Pod",
                "displayName": "flaky(0)",
                "phase": "Failed",
                "message": "main: Error (exit code 1)",
                "startedAt": "2026-11-01T10:00:00Z",
                "finishedAt": "2026-11-01T10:00:02Z",
            },
        },
    },
}


def test_attempts_come_in_order_under_the_name_of_their_step() -> None:
    found = [(step.name, step.attempt, step.phase, step.seconds) for step in steps_of(FLOW)]
    assert found == [("flaky", 0, "Failed", 2.0), ("flaky", 1, "Succeeded", 4.0)]


def test_results_are_read_and_what_is_missing_is_left_out() -> None:
    wanted = {"sum": "outputs.parameters.sum", "model": "artifact:flaky(1)/model", "none": "parameter:flaky/none"}
    assert results_of(FLOW, wanted) == ({"sum": "5"}, {"model": "s3://flows/w-1/model"})


def test_a_workflow_that_nobody_looked_at_is_pending() -> None:
    fresh = {"metadata": {"name": "w-2"}}
    assert (phase_of(fresh), finished(fresh), steps_of(fresh), results_of(fresh, {"x": "artifact:a/b"})) == (
        "Pending",
        False,
        [],
        ({}, {}),
    )
    assert (phase_of(FLOW), finished(FLOW)) == ("Succeeded", True)
