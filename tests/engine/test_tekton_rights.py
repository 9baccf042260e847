"""Tekton on a real API server: a step whose command no registry can tell is refused, and what its accounts may do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client import ApiException
from serverobjects import made
from workflowdefinition import definition

ADDON = Path(__file__).resolve().parents[2] / "addons/tekton/1.15.0"
KINDS = {"tasks": "Task", "taskruns": "TaskRun", "pipelines": "Pipeline", "pipelineruns": "PipelineRun"}
RULES = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
BUNDLED = {"image": "mlstack.local/train-iris:1"}


def golden(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((ADDON / "golden" / name).read_text())


@pytest.fixture(scope="module")
def admin(api) -> Iterator[kubernetes.client.ApiClient]:
    client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    definitions = kubernetes.client.ApiextensionsV1Api(client)
    for plural in KINDS:
        definitions.create_custom_resource_definition(definition("tekton.dev", "v1", KINDS[plural], plural))
    kubernetes.client.CoreV1Api(client).create_namespace({"metadata": {"name": "tekton"}})
    with made(client, [one for one in golden("objects.yaml") if one["kind"] in RULES]):
        for _ in range(120):  # the server learns of its rules a moment later
            if all(refused(client, plural, of(plural, BUNDLED)) for plural in KINDS):
                break
            time.sleep(0.5)
        yield client
    for plural in KINDS:
        definitions.delete_custom_resource_definition(f"{plural}.tekton.dev")


def of(plural: str, *steps: dict[str, Any], **task: Any) -> dict[str, Any]:
    """An object of a kind with one task of these steps."""
    task = {"steps": [{"name": f"s{number}", **step} for number, step in enumerate(steps)], **task}
    pipeline = {"tasks": [{"name": "other", "taskRef": {"name": "x"}}, {"name": "own", "taskSpec": task}]}
    spec = {
        "tasks": task,
        "taskruns": {"taskSpec": task},
        "pipelines": pipeline,
        "pipelineruns": {"pipelineSpec": pipeline},
    }
    return {"apiVersion": "tekton.dev/v1", "kind": KINDS[plural], "metadata": {"name": "mine"}, "spec": spec[plural]}


def refused(client: kubernetes.client.ApiClient, plural: str, obj: dict[str, Any]) -> str:
    """Why it is not taken; empty where it is."""
    try:
        kubernetes.client.CustomObjectsApi(client).create_namespaced_custom_object(
            "tekton.dev", "v1", "tekton", plural, obj, dry_run="All"
        )
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


@pytest.mark.parametrize("plural", KINDS)
def test_a_bundled_image_needs_its_command(admin: kubernetes.client.ApiClient, plural: str) -> None:
    assert "says its `command`" in refused(admin, plural, of(plural, {**BUNDLED, "args": ["x"]}))
    assert "says its `command`" in refused(admin, plural, of(plural, {**BUNDLED, "command": ["true"]}, BUNDLED))


@pytest.mark.parametrize("plural", KINDS)
@pytest.mark.parametrize(
    "step",
    [
        {**BUNDLED, "command": ["true"]},
        {**BUNDLED, "script": "true"},
        {"ref": {"name": "x"}},
        {"image": "example.org/x:1"},
    ],
)
def test_other_steps_are_taken(admin: kubernetes.client.ApiClient, plural: str, step: dict[str, Any]) -> None:
    assert refused(admin, plural, of(plural, step)) == ""


@pytest.mark.parametrize("plural", KINDS)
def test_a_template_may_have_the_command(admin: kubernetes.client.ApiClient, plural: str) -> None:
    assert refused(admin, plural, of(plural, BUNDLED, stepTemplate={"command": ["true"]})) == ""


@pytest.mark.parametrize(
    ("plural", "spec"), [("taskruns", {"taskRef": {"name": "x"}}), ("pipelineruns", {"pipelineRef": {"name": "x"}})]
)
def test_a_run_of_what_is_there_is_taken(admin: kubernetes.client.ApiClient, plural: str, spec: dict[str, Any]) -> None:
    assert refused(admin, plural, {**of(plural), "spec": spec}) == ""


def test_the_sample_is_taken(admin: kubernetes.client.ApiClient) -> None:
    (run,) = golden("samples.yaml")
    assert refused(admin, "pipelineruns", {**run, "metadata": {"name": "mine"}}) == ""


@pytest.mark.parametrize(
    ("account", "verb", "group", "resource", "allowed"),
    [
        ("controller", "create", "", "pods", True),
        ("controller", "update", "tekton.dev", "pipelineruns/status", True),
        ("controller", "create", "", "pods/exec", False),
        ("controller", "create", "", "secrets", False),
        ("controller", "create", "apps", "statefulsets", False),
        ("controller", "list", "", "nodes", False),
        ("controller", "delete", "tekton.dev", "pipelines", False),
        ("webhook", "list", "", "secrets", False),
        ("webhook", "create", "", "pods", False),
        ("resolvers", "get", "tekton.dev", "tasks", True),
        ("resolvers", "list", "tekton.dev", "tasks", False),
        ("resolvers", "get", "", "secrets", False),
        ("resolvers", "create", "", "pods", False),
    ],
)
def test_tektons_programs_have_few_rights(
    admin: kubernetes.client.ApiClient, account: str, verb: str, group: str, resource: str, allowed: bool
) -> None:
    plural, _, part = resource.partition("/")
    attributes = {"namespace": "tekton", "verb": verb, "group": group, "resource": plural, "subresource": part}
    user = f"system:serviceaccount:tekton-pipelines:tekton-{account}"
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    api = kubernetes.client.AuthorizationV1Api(admin)
    assert api.create_subject_access_review(review).status.allowed is allowed
