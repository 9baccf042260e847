"""Addon tekton, where it is on: what its runs compute, who may make them, what is refused, how a step that fails is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from e2e.platform import PYTHON_IMAGE, Platform, until
from e2e.tenants import ANN, BOB, ann_and_bob, as_user, for_users_at_home, knock, may, needs_addon

GROUP, VERSION = "tekton.dev", "v1"
NAMESPACE = "tekton-pipelines"
CONFINED = {"runAsUser": 1000, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "tekton")
    with ann_and_bob(platform, "profile standard has it") as names:
        yield names


def make(platform: Platform, space: str, kind: str, name: str, spec: dict[str, Any], user: str = ANN) -> None:
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
    as_user(platform, user).create_namespaced_custom_object(GROUP, VERSION, space, f"{kind.lower()}s", body)


def step(script: str, **more: Any) -> dict[str, Any]:
    """A confined step that runs a script of Python."""
    return {
        "name": "main",
        "image": PYTHON_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "script": f"#!/usr/bin/env python3\n{script}\n",
        "securityContext": CONFINED,
        **more,
    }


def task(script: str, **more: Any) -> dict[str, Any]:
    return {"steps": [step(script)], **more}


def ended(platform: Platform, space: str, kind: str, name: str) -> dict[str, Any]:
    """The object once it has ended, with the condition that says how at ``end``."""

    def look() -> dict[str, Any] | None:
        found = as_user(platform).get_namespaced_custom_object(GROUP, VERSION, space, f"{kind.lower()}s", name)
        for one in found.get("status", {}).get("conditions", []):
            if one["type"] == "Succeeded" and one["status"] != "Unknown":
                return {**found, "end": one}
        return None

    return dict(until(look, 240, f"the end of {kind} {name}"))


def values(run: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["value"] for one in run["status"].get("results", [])}


def sample(platform: Platform, space: str, *params: str, check: bool = True) -> list[dict[str, Any]]:
    given = [text for param in params for text in ("--param", param)]
    return platform.cli("run", "tekton-iris", "--profile", space, *given, "--watch", "--json", check=check).lines()


def test_a_model_goes_from_task_to_task(platform: Platform, spaces: tuple[str, str]) -> None:
    result = sample(platform, spaces[0], "testShare=0.4", "seed=7")[-1]
    assert (result["phase"], result["namespace"]) == ("Succeeded", spaces[0])
    found = result["results"]
    assert (found["trained"], found["rows"], found["classes"]) == ("90", "60", "3")
    assert 0.85 < float(found["accuracy"]) <= 1
    again = sample(platform, spaces[0], "testShare=0.4", "seed=7")[-1]
    assert again["results"] == found, "the same seed gives the same model"


def test_the_step_that_fails_is_named_with_its_log(platform: Platform, spaces: tuple[str, str]) -> None:
    lines = sample(platform, spaces[0], "wanted=1.01", check=False)
    result = lines[-1]
    assert result["phase"] == "Failed" and "Failed: 1" in result["message"]
    failed = {one["name"]: one["message"] for one in lines if one.get("phase") == "Failed" and "name" in one}
    assert "container step-main ended with exit code 1" in failed["evaluate"], failed
    assert "train" not in failed
    said = [one["text"] for one in lines if "-evaluate-" in one.get("source", "")]
    assert any("less than 1.01, which was wanted" in text for text in said)


def test_a_sample_runs_beside_the_workflows_too(platform: Platform, spaces: tuple[str, str]) -> None:
    result = platform.cli("run", "tekton-iris", "--watch", "--json").lines()[-1]
    assert result["phase"] == "Succeeded" and result["namespace"] not in spaces


def test_a_pipeline_of_ones_own_counts_on_what_its_tasks_say(platform: Platform, spaces: tuple[str, str]) -> None:
    """Two tasks side by side, one that adds them up, and one at the end whatever happens."""
    say = "open('$(results.n.path)', 'w').write('$(params.n)')"
    number = task(say, params=[{"name": "n"}], results=[{"name": "n"}])
    add = "open('$(results.sum.path)', 'w').write(str(int('$(params.a)') + int('$(params.b)')))"
    total = task(add, params=[{"name": "a"}, {"name": "b"}], results=[{"name": "sum"}])
    given = [{"name": key, "value": f"$(tasks.{key}.results.n)"} for key in ("a", "b")]
    tasks = [
        {"name": key, "params": [{"name": "n", "value": n}], "taskSpec": number} for key, n in (("a", "40"), ("b", "2"))
    ]
    spec = {
        "results": [{"name": "sum", "value": "$(tasks.sum.results.sum)"}],
        "tasks": [*tasks, {"name": "sum", "params": given, "taskSpec": total}],
        "finally": [{"name": "last", "taskSpec": task("print('the end')")}],
    }
    make(platform, spaces[0], "Pipeline", "adds", spec)
    make(platform, spaces[0], "PipelineRun", "adds", {"pipelineRef": {"name": "adds"}})
    run = ended(platform, spaces[0], "PipelineRun", "adds")
    assert (run["end"]["status"], values(run)) == ("True", {"sum": "42"})
    pods = platform.core().list_namespaced_pod(spaces[0], label_selector="tekton.dev/pipelineRun=adds").items
    assert len(pods) == 4
    for pod in pods:
        for one in [*pod.spec.init_containers, *pod.spec.containers]:
            assert one.security_context.allow_privilege_escalation is False and one.resources.limits["memory"]


def test_steps_of_a_task_run_one_after_the_other_in_one_directory(platform: Platform, spaces: tuple[str, str]) -> None:
    steps = [
        step("open('word', 'w').write('42')", name="write", workingDir="/workspace/here"),
        step("open('$(results.word.path)', 'w').write(open('/workspace/here/word').read())", name="read"),
    ]
    own = {"securityContext": {"runAsUser": 1000}}  # whom the directory is made by, and so belongs to
    task = {"results": [{"name": "word"}], "steps": steps}
    make(platform, spaces[0], "TaskRun", "steps", {"taskSpec": task, "podTemplate": own})
    run = ended(platform, spaces[0], "TaskRun", "steps")
    assert (run["end"]["status"], values(run)) == ("True", {"word": "42"})


def test_a_step_that_fails_ends_its_run_and_what_comes_after_is_not_run(
    platform: Platform, spaces: tuple[str, str]
) -> None:
    steps = [step("raise SystemExit(3)", name="bad"), step("print('never')", name="after")]
    make(platform, spaces[0], "TaskRun", "fails", {"taskSpec": {"steps": steps}})
    run = ended(platform, spaces[0], "TaskRun", "fails")
    assert run["end"]["status"] == "False" and '"step-bad" exited with code 3' in run["end"]["message"]
    log = platform.core().read_namespaced_pod_log(run["status"]["podName"], spaces[0], container="step-after")
    assert "never" not in log


def test_everybody_makes_runs_at_home_only(platform: Platform, spaces: tuple[str, str]) -> None:
    for plural in ("pipelineruns", "taskruns", "pipelines", "tasks"):
        for_users_at_home(platform, f"{plural}.{GROUP}", spaces)
    with pytest.raises(ApiException) as caught:
        make(platform, spaces[0], "TaskRun", "strange", {"taskSpec": task("print(1)")}, user=BOB)
    assert caught.value.status == 403
    for account, verb, resource, allowed in (
        ("controller", "create", "pods", True),
        ("controller", "create", "pods/exec", False),
        ("controller", "create", "secrets", False),
        ("resolvers", "get", "secrets", False),
        ("webhook", "get", "secrets", False),
    ):
        who = f"system:serviceaccount:{NAMESPACE}:tekton-{account}"
        assert may(platform, who, verb, resource, spaces[0]) is allowed


def test_what_cannot_be_is_refused_at_once(platform: Platform, spaces: tuple[str, str]) -> None:
    ring = [{"name": name, "runAfter": [after], "taskSpec": task("1")} for name, after in ("ab", "ba")]
    bundled = {"name": "main", "image": PYTHON_IMAGE, "securityContext": CONFINED}
    for kind, spec, why in (
        ("TaskRun", {"taskSpec": {"steps": [bundled]}}, "says its `command`"),
        (
            "PipelineRun",
            {"pipelineSpec": {"tasks": [{"name": "t", "taskSpec": {"steps": [bundled]}}]}},
            "says its `command`",
        ),
        ("PipelineRun", {"pipelineSpec": {"tasks": []}}, "got none"),
        ("Task", task("print($(params.none))"), "non-existent variable"),
        ("Pipeline", {"tasks": ring}, "cycle"),
    ):
        with pytest.raises(ApiException) as caught:
            make(platform, spaces[0], kind, "wrong", spec)
        assert caught.value.status in (400, 422) and why in json.loads(caught.value.body)["message"]


def test_tasks_of_strangers_are_not_lent_out(platform: Platform, spaces: tuple[str, str]) -> None:
    """The resolver could read them; it is told not to."""
    make(platform, spaces[1], "Task", "secret", task("print(1)"), user=BOB)
    params = [
        {"name": name, "value": value}
        for name, value in (("kind", "task"), ("name", "secret"), ("namespace", spaces[1]))
    ]
    make(platform, spaces[0], "TaskRun", "steals", {"taskRef": {"resolver": "cluster", "params": params}})
    run = ended(platform, spaces[0], "TaskRun", "steals")
    assert run["end"]["status"] == "False" and "namespace" in run["end"]["message"] and "steps" not in run["status"]


def test_a_pod_that_the_level_forbids_is_not_made(platform: Platform, spaces: tuple[str, str]) -> None:
    wild = {**step("print(1)"), "securityContext": {"privileged": True}}
    make(platform, spaces[0], "TaskRun", "wild", {"taskSpec": {"steps": [wild]}})
    run = ended(platform, spaces[0], "TaskRun", "wild")
    assert run["end"]["status"] == "False" and "violates PodSecurity" in run["end"]["message"]


def test_no_pod_of_a_profile_reaches_tektons_programs(platform: Platform, spaces: tuple[str, str]) -> None:
    host = f"tekton-pipelines-webhook.{NAMESPACE}.svc.cluster.local"
    assert knock(platform, spaces[0], host, 443).startswith("kept out")
