"""Kubeflow Pipelines as a user of a profile has it: runs with metrics, model and cache, schedules, failures with their log."""

from __future__ import annotations

import time
from typing import Any

import pytest

from e2e.pipelines import API, Member, experiment, members

ENDED = {"SUCCEEDED", "FAILED", "CANCELED"}


pair = pytest.fixture(members, scope="module")


@pytest.fixture(scope="module")
def first(pair: tuple[Member, Member]) -> dict[str, Any]:
    """The result of a first run."""
    return pair[0].run("kfp-iris", "seed=7")[0]


def test_a_run_trains_and_leaves_metrics_and_a_model(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    assert (first["phase"], first["results"]["rows"], first["results"]["cached"]) == ("Succeeded", "150", "0")
    assert 0.85 <= float(first["results"]["accuracy"]) <= 1.0
    bucket, keys = pair[0].bucket()
    store = pair[0].platform.minio(**keys)
    for name, begins in (("data", b"sepal length"), ("model", b"")):
        place, _, key = first["artifacts"][name].removeprefix("s3://").partition("/")
        assert place == bucket and key.startswith("pipelines/kfp-iris/")
        content = store.get_object(bucket, key).read()
        assert content.startswith(begins) and len(content) > 500
    steps = {step["name"]: step for step in pair[0].steps(pair[0].name, first["run"])}
    assert steps["train"]["inputs"]["data"]["id"] == steps["load"]["outputs"]["data"]["id"]
    assert steps["evaluate"]["inputs"]["model"]["id"] == steps["train"]["outputs"]["model"]["id"]
    assert steps["evaluate"]["outputs"]["metrics"]["metadata"]["testRows"] == 45


def test_the_api_tells_the_same(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    deadline = time.monotonic() + 60
    while True:
        run = pair[0].get(f"{API}/runs/{first['run']}").json()
        if run.get("state") in ENDED or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert (run["state"], run["service_account"]) == ("SUCCEEDED", "pipeline-runner")
    listed = pair[0].get(f"{API}/runs?namespace={pair[0].name}").json()["runs"]
    assert first["run"] in [one["run_id"] for one in listed]


def test_a_second_run_takes_its_steps_from_the_cache(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    again, _ = pair[0].run("kfp-iris", "seed=7")
    assert (again["phase"], again["results"]["cached"]) == ("Succeeded", "3")
    assert again["results"]["accuracy"] == first["results"]["accuracy"]
    assert again["artifacts"]["model"] == first["artifacts"]["model"], "the very same file"
    changed, _ = pair[0].run("kfp-iris", "seed=7", "strength=0.01")
    assert (changed["phase"], changed["results"]["cached"]) == ("Succeeded", "1"), "only the data is the same"
    assert changed["artifacts"]["model"] != first["artifacts"]["model"]


def test_the_cache_of_a_profile_serves_no_other(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    other, _ = pair[1].run("kfp-iris", "seed=7")
    assert (other["phase"], other["results"]["cached"]) == ("Succeeded", "0")
    assert other["results"]["accuracy"] == first["results"]["accuracy"]
    assert other["artifacts"]["model"].startswith(f"s3://{pair[1].bucket()[0]}/")


def test_a_step_that_fails_says_why(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    result, events = pair[0].run("kfp-iris", "seed=7", "minAccuracy=1", check=False)
    assert result["phase"] == "Failed"
    last = {event["name"]: event["phase"] for event in events if event["type"] == "SampleStep"}
    assert last["evaluate"] == "Failed" and last["train"] == "Skipped"
    lines = [event["text"] for event in events if event["type"] == "LogLine"]
    assert [line for line in lines if "is below 1" in line], lines[-20:]


def test_loops_conditions_and_attempts(pair: tuple[Member, Member]) -> None:
    wide, _ = pair[0].run("kfp-parallel", "width=3", "failures=2")
    assert wide["phase"] == "Succeeded"
    assert (wide["results"]["way"], wide["results"]["attempts"]) == ("wide", "3")
    squares = [
        step["results"]["square"] for step in pair[0].steps(pair[0].name, wide["run"]) if step["name"] == "square"
    ]
    assert sorted(squares) == [1, 4, 9]
    narrow, events = pair[0].run("kfp-parallel", "width=1", "failures=0")
    assert narrow["phase"] == "Succeeded" and "way" not in narrow["results"]
    assert narrow["results"]["attempts"] == "1"
    ran = {step["name"] for step in pair[0].steps(pair[0].name, narrow["run"])}
    assert "narrow" in ran and "wide" not in ran
    told = {event["name"]: event["phase"] for event in events if event["type"] == "SampleStep"}
    assert told["if-wide"] == "Skipped"


def test_a_schedule_starts_runs_until_it_is_stopped(pair: tuple[Member, Member], first: dict[str, Any]) -> None:
    member = pair[0]
    run = member.get(f"{API}/runs/{first['run']}").json()
    body = {
        "display_name": "often",
        "experiment_id": experiment(member),
        "pipeline_spec": run["pipeline_spec"],
        "runtime_config": {"parameters": run["runtime_config"]["parameters"]},
        "service_account": "pipeline-runner",
        "max_concurrency": 1,
        "no_catchup": True,
        "mode": "ENABLE",
        "trigger": {"cron_schedule": {"cron": "*/30 * * * * *"}},
    }
    made = member.client.post(f"{API}/recurringruns", json=body)
    assert made.status_code == 200, made.text
    schedule = made.json()["recurring_run_id"]

    def ended() -> list[str]:
        listed = member.get(f"{API}/runs?namespace={member.name}&page_size=100").json().get("runs", [])
        return [one["state"] for one in listed if one.get("recurring_run_id") == schedule and one.get("state") in ENDED]

    try:
        deadline = time.monotonic() + 300
        while len(ended()) < 2:
            assert time.monotonic() < deadline, "the schedule did not start two runs"
            time.sleep(3)
        assert set(ended()) == {"SUCCEEDED"}
        assert member.client.post(f"{API}/recurringruns/{schedule}:disable").status_code == 200
        assert member.get(f"{API}/recurringruns/{schedule}").json()["status"] == "DISABLED"
    finally:
        assert member.client.delete(f"{API}/recurringruns/{schedule}").status_code == 200
    assert member.get(f"{API}/recurringruns/{schedule}").status_code == 404
