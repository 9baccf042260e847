"""Whose hand may tie a workflow to a pipeline's run, on a real API server: the record of a run follows whatever bears its id."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import kubernetes.dynamic
import pytest
import yaml
from workflowdefinition import define_workflows

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = list(yaml.safe_load_all((ROOT / "stacks/kubeflow-pipelines/2.0.5/golden/objects.yaml").read_text()))
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
SPACE, LABEL = "carla", "pipeline/runid"
SERVER = "system:serviceaccount:kubeflow:ml-pipeline"
SCHEDULER = "system:serviceaccount:kubeflow:ml-pipeline-scheduledworkflow"
USER, ENGINE = "carla@lab", "system:serviceaccount:argo:argo"


class Cluster:
    """The workflows of one namespace, in the hands of whoever is named."""

    def __init__(self, api: Any) -> None:
        self.kubeconfig = str(api.kubeconfig)

    def objects(self, user: str) -> kubernetes.client.CustomObjectsApi:
        client = kubernetes.config.new_client_from_config(self.kubeconfig)
        client.set_default_header("Impersonate-User", user)
        client.set_default_header("Impersonate-Group", "system:masters")  # rights are not what is tested here
        return kubernetes.client.CustomObjectsApi(client)

    def create(self, user: str, name: str, labels: dict[str, str] | None = None) -> int:
        metadata = {"name": name, **({"labels": labels} if labels is not None else {})}
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": {}}
        return self.status(self.objects(user).create_namespaced_custom_object, body=body)

    def change(self, user: str, name: str, body: dict[str, Any]) -> int:
        return self.status(self.objects(user).patch_namespaced_custom_object, name=name, body=body)

    def status(self, call: Any, **more: Any) -> int:
        try:
            call(group="argoproj.io", version="v1alpha1", namespace=SPACE, plural="workflows", **more)
        except kubernetes.client.ApiException as error:
            return int(error.status)
        return 200


@pytest.fixture(scope="module")
def cluster(api) -> Iterator[Cluster]:
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    kubernetes.client.CoreV1Api(admin).create_namespace({"metadata": {"name": SPACE}})
    define_workflows(admin)
    for obj in (one for one in OBJECTS if one["kind"] in POLICIES):
        kubernetes.utils.create_from_dict(admin, obj)
    found, deadline = Cluster(api), time.monotonic() + 60
    number = 0
    while found.create(USER, f"probe-{number}", {LABEL: "r"}) != 422:  # both take effect some time after they are made
        assert time.monotonic() < deadline, "the policy does not take effect"
        time.sleep(0.2)
        number += 1
    yield found
    admission = kubernetes.client.AdmissionregistrationV1Api(admin)
    admission.delete_validating_admission_policy_binding("mlstack-pipelines-runs")
    admission.delete_validating_admission_policy("mlstack-pipelines-runs")
    kubernetes.client.CoreV1Api(admin).delete_namespace(SPACE)


@pytest.mark.parametrize(
    ("user", "labels", "status"),
    [
        (USER, {LABEL: "r1"}, 422),
        (USER, {LABEL: ""}, 200),  # the agent that reports asks for the id, and finds none
        (USER, {"x": "y"}, 200),
        (USER, None, 200),
        (ENGINE, {LABEL: "r1"}, 422),
        (SERVER, {LABEL: "r1"}, 200),
        (SCHEDULER, {LABEL: "r1"}, 200),
    ],
)
def test_only_pipelines_itself_makes_a_workflow_of_a_run(cluster: Cluster, user: str, labels, status: int) -> None:
    name = f"w-{abs(hash((user, str(labels))))}"
    assert cluster.create(user, name, labels) == status


def test_a_workflow_keeps_the_run_that_it_has(cluster: Cluster) -> None:
    assert cluster.create(SERVER, "kept", {LABEL: "r1"}) == 200
    assert cluster.change(ENGINE, "kept", {"status": {"phase": "Running"}}) == 200
    assert cluster.change(USER, "kept", {"metadata": {"labels": {"mine": "yes"}}}) == 200
    for other in ("r2", None):
        assert cluster.change(USER, "kept", {"metadata": {"labels": {LABEL: other}}}) == 422
    assert cluster.change(SERVER, "kept", {"metadata": {"labels": {LABEL: "r2"}}}) == 200
    assert cluster.create(USER, "plain", {}) == 200
    assert cluster.change(USER, "plain", {"metadata": {"labels": {LABEL: "r1"}}}) == 422


# -- what the pods of runs get


TOLD = next(one for one in OBJECTS if one["metadata"]["name"] == "metadata-grpc-configmap")


def pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    main = {
        "name": "main",
        "image": "x",
        "env": [{"name": "KFP_POD_NAME", "value": "p"}],
        "volumeMounts": [{"name": "launcher", "mountPath": "/kfp-launcher"}],
    }
    volumes = [{"name": "launcher", "emptyDir": {}}]
    containers = [{"name": "wait", "image": "y"}, main]
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": containers, "volumes": volumes, "automountServiceAccountToken": False},
    }


def made(core: kubernetes.client.CoreV1Api, labels: dict[str, str]) -> Any:
    return core.create_namespaced_pod(SPACE, pod("p", labels), dry_run="All").spec


@pytest.fixture(scope="module")
def core(api, cluster) -> Iterator[kubernetes.client.CoreV1Api]:
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    core = kubernetes.client.CoreV1Api(admin)
    core.create_namespaced_config_map(SPACE, {"metadata": {"name": TOLD["metadata"]["name"]}, "data": TOLD["data"]})
    core.create_namespaced_service_account(SPACE, {"metadata": {"name": "default"}})
    served = kubernetes.dynamic.DynamicClient(admin).resources
    policies = [one for one in OBJECTS if one["kind"].startswith("MutatingAdmissionPolicy")]
    for obj in policies:
        served.get(api_version=obj["apiVersion"], kind=obj["kind"]).create(body=obj)
    deadline = time.monotonic() + 60
    while len(made(core, {LABEL: "r1"}).volumes) == 1:
        assert time.monotonic() < deadline, "the policy does not take effect"
        time.sleep(0.2)
    yield core
    for obj in reversed(policies):
        served.get(api_version=obj["apiVersion"], kind=obj["kind"]).delete(name=obj["metadata"]["name"])


def test_steps_of_runs_find_their_records_and_may_write_their_artifacts(core) -> None:
    spec = made(core, {LABEL: "r1"})
    wait, main = spec.containers
    assert {one.name for one in spec.volumes} == {"launcher", "gcs-artifacts", "minio-artifacts", "s3-artifacts"}
    assert {one.mount_path for one in main.volume_mounts} == {"/kfp-launcher", "/gcs", "/minio", "/s3"}
    told = {one.name: one.value for one in main.env}
    assert told.pop("KFP_POD_NAME") == "p"
    assert told == {name: TOLD["data"][name] for name in told} and len(told) == 6
    assert not wait.env and not wait.volume_mounts


def test_other_pods_are_left_as_they_are(core) -> None:
    spec = made(core, {"x": "y"})
    assert [one.name for one in spec.volumes] == ["launcher"]
    assert [one.name for one in spec.containers[1].env] == ["KFP_POD_NAME"]


def test_where_nothing_is_told_no_step_starts(core) -> None:
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.create_namespaced_pod("default", pod("p", {LABEL: "r1"}), dry_run="All")
    assert caught.value.status in (403, 422) and "mlstack-pipelines-pods" in caught.value.body
