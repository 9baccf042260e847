"""Another configuration of Katib by ``mlstack up``: what is planned is what is done, what was found before is kept."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import pytest
import yaml

from e2e.platform import Platform, finished
from e2e.tenants import ANN, ann_and_bob, as_user
from e2e.tuning import EXPERIMENTS, ended, records, search

PARAMETER, OTHER = "stacks.katib.params.suggestionMemoryLimit", "640Mi"
CHANGED = {"apply:ConfigMap/katib/katib-config", "apply:Deployment/katib/katib-controller"}
TRIALS = (*EXPERIMENTS[:2], "trials")


@pytest.fixture(scope="module")
def space(platform: Platform) -> Iterator[str]:
    with ann_and_bob(platform, "profile tuning has it", "tuning") as names:
        yield names[0]


def configured(platform: Platform) -> dict[str, str]:
    """Algorithm -> the memory that its search may use, by Katib's configuration in the cluster."""
    text = platform.core().read_namespaced_config_map("katib-config", "katib").data["katib-config.yaml"]
    suggestions = yaml.safe_load(text)["runtime"]["suggestions"]
    return {one["algorithmName"]: one["resources"]["limits"]["memory"] for one in suggestions}


def pods(platform: Platform) -> dict[str, set[str]]:
    """Program -> the uids of its pods: of Katib's, and of the database."""
    core, found = platform.core(), dict[str, set[str]]()
    for where in ("katib", "mysql"):
        for pod in core.list_namespaced_pod(where).items:
            name = (pod.metadata.labels or {}).get("app.kubernetes.io/name")
            if name and pod.metadata.deletion_timestamp is None:
                found.setdefault(name, set()).add(pod.metadata.uid)
    return found


def known(platform: Platform, space: str, name: str) -> tuple[dict[str, Any], list[Any], list[tuple[str, ...]]]:
    """All that there is of a search: its object, its trials by name, its records in the database."""
    api = kubernetes.client.CustomObjectsApi(platform.api())
    one = api.get_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], name)
    label = f"katib.kubeflow.org/experiment={name}"
    trials = api.list_namespaced_custom_object(*TRIALS[:2], space, TRIALS[2], label_selector=label)["items"]
    for status in (each["status"] for each in (one, *trials)):
        status.pop("lastReconcileTime", None)  # when somebody looked last is no part of what was found
        status.update({key: sorted(value) for key, value in status.items() if key.endswith("TrialList")})
    parts = [(each["metadata"]["name"], each["metadata"]["uid"], each["spec"], each["status"]) for each in trials]
    return {key: one[key] for key in ("spec", "status")}, sorted(parts, key=str), records(platform, f"{name}-%")


def applied(run_events: list[dict[str, Any]]) -> set[str]:
    """The objects that a run of ``up --json`` changed."""
    done = (event for event in run_events if event["type"] == "StepDone" and event["changed"])
    return {event["step"] for event in done if event["step"].startswith("apply:")}


@contextmanager
def changed(platform: Platform, value: str) -> Iterator[list[dict[str, Any]]]:
    """The events of the change; afterwards the platform is as it was."""
    before = configured(platform)
    try:
        yield platform.up("--set", f"{PARAMETER}={value}").lines()
    finally:
        back = platform.up()
    assert configured(platform) == before
    assert applied(back.lines()) == CHANGED
    assert finished(platform.up())["changed"] == 0


def test_a_value_that_is_none_changes_nothing(platform: Platform, space: str) -> None:
    before = configured(platform), pods(platform)
    run = platform.cli("up", "--yes", "--json", "--set", f"{PARAMETER}=plenty", check=False)
    assert run.code == 2 and "suggestionMemoryLimit" in run.out + run.err
    assert (configured(platform), pods(platform)) == before


def test_another_configuration_is_planned_applied_and_taken_back_and_what_was_found_is_kept(
    platform: Platform, space: str
) -> None:
    platform.up()
    usual = configured(platform)
    assert "bayesianoptimization" in usual and set(usual.values()) != {OTHER}
    api = as_user(platform, ANN)
    first = f"before-{secrets.token_hex(3)}"  # records are by names of trials, which hold it
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], search(first, resumePolicy="Never"))
    ended(api, space, first)
    found, running = known(platform, space, first), pods(platform)
    assert found[0]["status"]["trialsSucceeded"] == 3 and len(found[1]) == 3
    assert sorted(value for *_, metric, value in found[2] if metric == "score") == ["1", "2", "3"]

    plan = platform.cli("plan", "--json", "--set", f"{PARAMETER}={OTHER}").json()
    steps = {one["id"]: one for one in plan["actions"]}
    assert {one for one in steps if one.startswith("apply:")} == CHANGED
    assert not [one for one in steps if one.startswith(("delete:", "prune:", "secret:", "database:", "load:"))]
    assert "apply:ConfigMap/katib/katib-config" in steps["apply:Deployment/katib/katib-controller"]["needs"]
    assert any(one.startswith("wait:Deployment/katib/katib-controller") for one in steps)
    shown = platform.cli("plan", "--plain", "--set", f"{PARAMETER}={OTHER}").out
    assert "Apply ConfigMap/katib/katib-config" in shown and "Apply Deployment/katib/katib-controller" in shown
    assert configured(platform) == usual and pods(platform) == running, "a plan changes nothing"

    with changed(platform, OTHER) as events:
        assert applied(events) == CHANGED
        assert configured(platform) == dict.fromkeys(usual, OTHER)
        now = pods(platform)
        assert now.pop("katib-controller").isdisjoint(running["katib-controller"])
        assert now == {name: uids for name, uids in running.items() if name != "katib-controller"}
        assert known(platform, space, first) == found
        _runs_with(platform, space, "during", OTHER)
    assert known(platform, space, first) == found
    _runs_with(platform, space, "after", usual["grid"])


def _runs_with(platform: Platform, space: str, name: str, memory: str) -> None:
    """A new search, whose program may use that much memory, comes to its end."""
    api = as_user(platform, ANN)
    # its program stays when it has ended, so that it can be looked at
    body = search(name, resumePolicy="LongRunning")
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], body)
    assert ended(api, space, name)["status"]["currentOptimalTrial"]["parameterAssignments"] == [
        {"name": "x", "value": "3"}
    ]
    apps = kubernetes.client.AppsV1Api(platform.api())
    (container,) = apps.read_namespaced_deployment(f"{name}-grid", space).spec.template.spec.containers
    assert container.resources.limits["memory"] == memory
    api.delete_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], name)
