"""Every sample that the stacks ship runs to its end, with the values it promises, read back from where they were put."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.platform import Platform


def run_sample(platform: Platform, name: str, *params: str) -> dict[str, Any]:
    args = [part for param in params for part in ("--param", param)]
    events = platform.cli("run", name, "--watch", "--json", *args, timeout=420).lines()
    result = events[-1]
    assert result["type"] == "SampleResult", result
    return result


def test_list_names_every_sample(platform: Platform) -> None:
    names = {sample["name"] for sample in platform.cli("run", "--list", "--json").json()["items"]}
    assert {"hello", "artifacts", "diamond", "retry", "train-iris"} <= names


def read(platform: Platform, place: str) -> bytes:
    """An artifact's content, read back by its place ``s3://bucket/key``."""
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return platform.minio().get_object(bucket, key).read()


@pytest.mark.parametrize("who", ["world", 'O\'Neil & "friends"'])
def test_hello_says_its_parameter(platform: Platform, who: str) -> None:
    result = run_sample(platform, "hello", f"who={who}", "times=2")
    assert result["phase"] == "Succeeded"
    assert result["results"]["greeting"].splitlines() == [f"Hello, {who}!"] * 2


def test_artifacts_pass_through_minio(platform: Platform) -> None:
    result = run_sample(platform, "artifacts", "lines=7")
    assert (result["phase"], result["results"]["lines"]) == ("Succeeded", "7")
    text, upper = (read(platform, result["artifacts"][name]).decode() for name in ("text", "upper"))
    assert len(text.splitlines()) == 7
    assert upper == text.upper() != text
    assert result["results"]["first"] == upper.splitlines()[0]


def test_diamond_joins_all_branches(platform: Platform) -> None:
    result = run_sample(platform, "diamond", "width=3")
    assert (result["phase"], result["results"]["total"]) == ("Succeeded", str(1 + 4 + 9))


def test_retry_fails_twice_then_succeeds(platform: Platform) -> None:
    events = platform.cli("run", "retry", "--watch", "--json", timeout=420).lines()
    assert (events[-1]["phase"], events[-1]["results"]["attempts"]) == ("Succeeded", "3")
    last = {event["step"]: event for event in events if event["type"] == "SampleStep" and event["name"] == "flaky"}
    assert [event["phase"] for event in sorted(last.values(), key=lambda event: event["attempt"])] == [
        "Failed",
        "Failed",
        "Succeeded",
    ]
    lines = [event["text"] for event in events if event["type"] == "LogLine"]
    assert "attempt number 3" in lines


def test_train_iris_leaves_model_and_metrics_in_minio(platform: Platform) -> None:
    result = run_sample(platform, "train-iris")
    assert result["phase"] == "Succeeded"
    accuracy = float(result["results"]["accuracy"])
    assert 0.85 <= accuracy <= 1.0
    metrics = json.loads(read(platform, result["artifacts"]["metrics"]))
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert sum(map(sum, metrics["confusion"])) == metrics["rows"] == 45
    assert b"sklearn" in read(platform, result["artifacts"]["model"])


def test_unknown_sample_and_parameter_suggest_the_right_name(platform: Platform) -> None:
    run = platform.cli("run", "train-irsi", check=False)
    assert (run.code, "did you mean 'train-iris'" in run.err) == (2, True), run.err
    run = platform.cli("run", "hello", "--param", "hwo=x", check=False)
    assert (run.code, "did you mean 'who'" in run.err) == (2, True), run.err
