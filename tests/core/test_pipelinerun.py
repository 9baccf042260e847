"""A pipeline's run as its author wrote it: steps out of the workflow that it became, results out of what it recorded."""

from __future__ import annotations

from typing import Any

import pytest

from mlstack.core.pipelinerun import CACHED, NOT_TAKEN, StepLines, is_result, run_results, run_steps


def node(path: str, phase: str, started: int, kind: str = "Pod", **more: Any) -> dict[str, Any]:
    shown = path.rpartition(".")[2]
    began = f"2026-11-01T10:00:{started:02}Z"
    return {"name": f"iris-x1.{path}", "displayName": shown, "type": kind, "phase": phase, "startedAt": began, **more}


FLOW = {
    "metadata": {"name": "iris-x1"},
    "status": {
        "nodes": {
            "d0": node("root-driver", "Succeeded", 0),
            "d1": node("root.load-driver", "Succeeded", 1),
            "r1": node("root.load.executor", "Succeeded", 2, "Retry", children=["e1", "e2"]),
            "e1": node("root.load.executor(0)", "Error", 2, message="pod deleted"),
            "e2": node("root.load.executor(1)", "Succeeded", 3),
            "e3": node("root.train.executor", "Skipped", 4, "Skipped", message="when 'true != true' evaluated false"),
            "d4": node("root.evaluate-driver", "Failed", 5, message="main: Error (exit code 1)"),
            "e5": node("root.for-each.iteration(0:0).square.executor", "Running", 6),
            "s6": node("root.if-narrow", "Skipped", 7, "Skipped", message="when 'false != false' evaluated false"),
        }
    },
}


def test_steps_have_the_names_of_the_pipeline() -> None:
    found = [(step.name, step.phase, step.attempt, step.message) for step in run_steps(FLOW)]
    assert found == [
        ("load", "Error", 0, "pod deleted"),
        ("load", "Succeeded", 1, ""),
        ("train", "Skipped", 0, CACHED),
        ("evaluate (driver)", "Failed", 0, "main: Error (exit code 1)"),
        ("square", "Running", 0, ""),
        ("if-narrow", "Skipped", 0, NOT_TAKEN),
    ]
    assert len({step.id for step in run_steps(FLOW)}) == 6


def test_a_run_that_has_not_begun_has_no_steps() -> None:
    assert run_steps({}) == run_steps({"metadata": {}, "status": {}}) == []


RECORD = {
    "run": "r1",
    "steps": [
        {"name": "", "type": "DAGExecution", "outputs": {}},
        {
            "name": "load",
            "cached": True,
            "results": {"rows": 150.0},
            "outputs": {"data": {"uri": "minio://profile-ann/pipelines/iris/r0/load/data"}},
        },
        {
            "name": "evaluate",
            "outputs": {"metrics": {"uri": "file:///x", "metadata": {"accuracy": 0.9556, "good": True}}},
        },
        {"name": "square", "results": {"square": 1.0}},
        {"name": "square", "results": {"square": 4.0}},
    ],
}
WANTED = {
    "rows": "parameter:load/rows",
    "data": "artifact:load/data",
    "accuracy": "metric:evaluate/metrics.accuracy",
    "cached": "count:cached",
    "last": "parameter:square/square",
}


def test_results_are_read_and_what_is_missing_is_left_out() -> None:
    absent = {
        "a": "parameter:load/none",
        "b": "artifact:evaluate/metrics",
        "c": "metric:load/data.none",
        "d": "artifact:no/x",
    }
    values, places = run_results(RECORD, {**WANTED, **absent})
    assert values == {"rows": "150", "accuracy": "0.9556", "cached": "1", "last": "4"}
    assert places == {"data": "s3://profile-ann/pipelines/iris/r0/load/data"}


@pytest.mark.parametrize("record", [None, {}, {"steps": []}])
def test_a_run_without_a_record_has_no_results(record: dict[str, Any] | None) -> None:
    assert run_results(record, WANTED) == ({}, {})


@pytest.mark.parametrize("where", ["metric", "parameter:load", "file:load/data", "count:all", "parameter:a/b/c", ""])
def test_what_names_no_result_is_told_apart(where: str) -> None:
    assert not is_result(where)
    assert run_results(RECORD, {"x": where}) == ({}, {})


LOG = """\
time="2026-11-01T10:00:00.000Z" level=info msg="capturing logs" argo=true
I1101 10:00:00.481277      20 main.go:105] input ComponentSpec:{
  "executorLabel": "exec-train",
  "outputDefinitions": {
    "x": {}
  }
}
I1101 10:00:00.590841      20 main.go:210] output podSpecPatch=
{"containers":[{"name":"main"}]}
W1101 10:00:00.594806      20 cache.go:116] Connecting to cache endpoint somewhere:1
{"accuracy": 0.9}
I think this line is the program's
the accuracy is low
F1101 10:00:01.482576      28 main.go:49] failed to execute component: exit status 1
Error: exit status 1
"""


def test_of_a_steps_log_the_programs_own_lines_and_errors_are_read() -> None:
    lines = StepLines()
    assert [line for line in LOG.splitlines() if lines.wants(line)] == [
        '{"accuracy": 0.9}',
        "I think this line is the program's",
        "the accuracy is low",
        "F1101 10:00:01.482576      28 main.go:49] failed to execute component: exit status 1",
        "Error: exit status 1",
    ]


def test_a_list_is_told_with_whole_numbers() -> None:
    record = {"steps": [{"name": "split", "results": {"items": [1.0, 2.5, "three"]}}]}
    assert run_results(record, {"items": "parameter:split/items"})[0] == {"items": '[1, 2.5, "three"]'}
