"""MPI jobs on a real API server: what cannot be is refused when it is made, and what the operator's account may do."""

from __future__ import annotations

import copy
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

ADDON = Path(__file__).resolve().parents[2] / "addons/mpi-operator/0.8.0"
DEFINITION = definition("kubeflow.org", "v2beta1", "MPIJob", "mpijobs")
RULES = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
KIND = ("kubeflow.org", "v2beta1", "mpi", "mpijobs")
ACCOUNT = "system:serviceaccount:mpi-operator:mpi-operator"


def golden(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((ADDON / "golden" / name).read_text())


def sample() -> dict[str, Any]:
    (job,) = golden("samples.yaml")
    return {**job, "metadata": {"name": "mine"}}


@pytest.fixture(scope="module")
def admin(api) -> Iterator[kubernetes.client.ApiClient]:
    client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    kubernetes.client.ApiextensionsV1Api(client).create_custom_resource_definition(DEFINITION)
    kubernetes.client.CoreV1Api(client).create_namespace({"metadata": {"name": "mpi"}})
    wrong = changed(Launcher={"replicas": 2})
    with made(client, [one for one in golden("objects.yaml") if one["kind"] in RULES]):
        for _ in range(120):  # the server learns of its rules a moment later
            if refused(client, wrong):
                break
            time.sleep(0.5)
        yield client
    kubernetes.client.ApiextensionsV1Api(client).delete_custom_resource_definition(DEFINITION["metadata"]["name"])


def changed(name: str = "mine", drop: str = "", spec: dict[str, Any] | None = None, **roles: Any) -> dict[str, Any]:
    """The sample's job with other values. roles: role -> fields of it, new roles too."""
    job = copy.deepcopy(sample())
    job["metadata"]["name"] = name
    job["spec"] |= spec or {}
    replicas = job["spec"]["mpiReplicaSpecs"]
    replicas.pop(drop, None)
    for role, fields in roles.items():
        replicas[role] = {**replicas.get(role, {}), **fields}
    return job


def refused(client: kubernetes.client.ApiClient, job: dict[str, Any]) -> str:
    """Why the job is not taken; empty where it is."""
    group, version, space, plural = KIND
    try:
        kubernetes.client.CustomObjectsApi(client).create_namespaced_custom_object(
            group, version, space, plural, job, dry_run="All"
        )
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (changed(drop="Launcher"), "has a Launcher"),
        (changed(Master={"replicas": 1}), "has a Launcher"),
        (changed(Launcher={"replicas": 2}), "one launcher"),
        (changed(Worker={"replicas": 0}), "at least one"),
        (changed(Launcher={"restartPolicy": "Always"}), "Never or OnFailure"),
        (changed(spec={"slotsPerWorker": 0}), "at least 1"),
        (changed(spec={"runPolicy": {"cleanPodPolicy": "Some"}}), "None, Running or All"),
        (changed("a" * 55), "at most 54"),
        (changed("0-mine"), "begins with a letter"),
        (changed("a.b"), "begins with a letter"),
        (changed("a" * 54, Worker={"replicas": 10}), "at most 54"),
    ],
)
def test_a_job_that_cannot_be_is_refused(admin: kubernetes.client.ApiClient, job: dict[str, Any], why: str) -> None:
    assert why in refused(admin, job)


@pytest.mark.parametrize(
    "job",
    [
        changed(),
        changed(drop="Worker"),
        changed(Launcher={"restartPolicy": "OnFailure"}),
        changed("a" * 54, Worker={"replicas": 9}),
        changed(spec={"runPolicy": {"cleanPodPolicy": "All"}}),
        {**changed(), "metadata": {"generateName": "train-mpi-"}},
    ],
)
def test_a_job_that_can_be_is_taken(admin: kubernetes.client.ApiClient, job: dict[str, Any]) -> None:
    assert refused(admin, job) == ""


@pytest.mark.parametrize(
    ("verb", "group", "resource", "allowed"),
    [
        ("create", "", "pods", True),
        ("create", "batch", "jobs", True),
        ("create", "", "secrets", True),
        ("get", "", "secrets", False),
        ("list", "", "secrets", False),
        ("watch", "", "secrets", False),
        ("create", "", "pods/exec", False),
        ("create", "kubeflow.org", "mpijobs", False),
        ("update", "kubeflow.org", "mpijobs/status", True),
    ],
)
def test_the_operator_has_few_rights(
    admin: kubernetes.client.ApiClient, verb: str, group: str, resource: str, allowed: bool
) -> None:
    plural, _, part = resource.partition("/")
    attributes = {"namespace": "mpi", "verb": verb, "group": group, "resource": plural, "subresource": part}
    review = {"spec": {"user": ACCOUNT, "resourceAttributes": attributes}}
    api = kubernetes.client.AuthorizationV1Api(admin)
    assert api.create_subject_access_review(review).status.allowed is allowed
