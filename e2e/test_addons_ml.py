"""Addons for models, where they are switched on: what they do for users of profiles, and what they refuse."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from e2e.application import AUDIENCE, machine_token
from e2e.browser import Browser
from e2e.platform import Platform, until
from e2e.tenants import ANN, ann_and_bob, as_user, for_users_at_home, knock, may, needs, needs_addon

TORCH_IMAGE = "mlstack.local/torch:2.6"
PYTORCHJOBS = ("kubeflow.org", "v1", "pytorchjobs")
TRAINJOBS = ("trainer.kubeflow.org", "v1alpha1", "trainjobs")


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    with ann_and_bob(platform, "profile standard has it") as names:
        yield names


@pytest.fixture(scope="module")
def operator(platform: Platform) -> None:
    """The addon for jobs of the first training operator."""
    needs_addon(platform, "training-operator")


def pytorchjob(name: str, command: list[str], workers: int = 1, **more: Any) -> dict[str, Any]:
    """A confined job, all of whose pods run the command."""
    container = {
        "name": "pytorch",
        "image": TORCH_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **more,
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    template = {
        "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"automountServiceAccountToken": False, "securityContext": security, "containers": [container]},
    }
    roles = {
        role: {"replicas": number, "restartPolicy": "Never", "template": template}
        for role, number in (("Master", 1), ("Worker", workers))
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": name},
        "spec": {"runPolicy": {"backoffLimit": 0}, "pytorchReplicaSpecs": roles},
    }


def ended(platform: Platform, kind: tuple[str, str, str], space: str, name: str, ends: set[str]) -> str:
    """Which of the conditions ends the object."""

    def look() -> str:
        obj = as_user(platform).get_namespaced_custom_object(*kind[:2], space, kind[2], name)
        true = [one["type"] for one in obj.get("status", {}).get("conditions", []) if one["status"] == "True"]
        return next((one for one in true if one in ends), "")

    return str(until(look, 240, f"the end of {name}"))


ADD = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor(float(dist.get_rank() + 1))
dist.all_reduce(total)
print("total", int(total.item()), "of", dist.get_world_size(), flush=True)
"""


def totals(platform: Platform, space: str, selector: str, container: str) -> list[str]:
    core = platform.core()
    pods = core.list_namespaced_pod(space, label_selector=selector).items
    logs = [core.read_namespaced_pod_log(pod.metadata.name, space, container=container) for pod in pods]
    return [line for log in logs for line in log.splitlines() if line.startswith("total")]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_master_and_its_workers_train_one_model(platform: Platform, spaces: tuple[str, str], workers: int) -> None:
    run = platform.cli(
        *("run", "train-pytorchjob", "--profile", spaces[0], "--param", f"workers={workers}", "--watch", "--json")
    )
    result = run.lines()[-1]
    nodes = workers + 1
    assert (result["phase"], result["namespace"]) == ("Succeeded", spaces[0])
    found = result["results"]
    assert (found["nodes"], found["sum"], found["agree"]) == (str(nodes), str(nodes * (nodes + 1) // 2), "true")
    assert float(found["loss"]) < 0.001


@pytest.mark.usefixtures("operator")
def test_everybody_makes_such_jobs_at_home_only(platform: Platform, spaces: tuple[str, str]) -> None:
    for plural in ("pytorchjobs", "tfjobs", "xgboostjobs"):
        for_users_at_home(platform, f"{plural}.kubeflow.org", spaces)
    operator = "system:serviceaccount:training-operator:training-operator"
    assert may(platform, operator, "create", "pods", spaces[0])
    for verb, resource in (("get", "secrets"), ("list", "secrets"), ("create", "pods/exec")):
        assert not may(platform, operator, verb, resource, spaces[0])


@pytest.mark.usefixtures("operator")
def test_a_job_that_cannot_be_is_refused_at_once(platform: Platform, spaces: tuple[str, str]) -> None:
    wrong = pytorchjob("wrong", ["true"])
    wrong["spec"]["pytorchReplicaSpecs"]["Master"]["replicas"] = 2
    with pytest.raises(ApiException) as caught:
        as_user(platform, ANN).create_namespaced_custom_object(*PYTORCHJOBS[:2], spaces[0], PYTORCHJOBS[2], wrong)
    assert caught.value.status == 403 and "must be 1" in json.loads(caught.value.body)["message"]


@pytest.mark.usefixtures("operator")
def test_a_program_that_fails_ends_its_job(platform: Platform, spaces: tuple[str, str]) -> None:
    job = pytorchjob("fails", ["sh", "-c", "exit 3"])
    as_user(platform, ANN).create_namespaced_custom_object(*PYTORCHJOBS[:2], spaces[0], PYTORCHJOBS[2], job)
    assert ended(platform, PYTORCHJOBS, spaces[0], "fails", {"Succeeded", "Failed"}) == "Failed"


def test_a_job_of_old_does_the_same_as_a_trainjob(platform: Platform, spaces: tuple[str, str], tmp_path: Path) -> None:
    """What `mlstack migrate` makes of a PyTorchJob adds up what its nodes give, with the program as it was."""
    needs(platform, "profile tuning has it", "training")
    job = pytorchjob("adds", ["python3", "-c", ADD], workers=2)
    job["metadata"]["namespace"] = spaces[0]
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    said = platform.cli("migrate", str(tmp_path / "job.yaml"), "--json").json()["items"][0]
    as_user(platform, ANN).create_namespaced_custom_object(*TRAINJOBS[:2], spaces[0], TRAINJOBS[2], said["trainjob"])
    assert ended(platform, TRAINJOBS, spaces[0], "adds", {"Complete", "Failed"}) == "Complete"
    found = totals(platform, spaces[0], "jobset.sigs.k8s.io/jobset-name=adds", "node")
    assert found == ["total 6 of 3"] * 3


API = "/mlflow/api/2.0/mlflow"


@pytest.fixture(scope="module")
def door(platform: Platform) -> Browser:
    """The gateway, behind which MLflow is."""
    needs_addon(platform, "mlflow")
    return Browser(*platform.door())


@pytest.fixture(scope="module")
def key(platform: Platform, spaces: tuple[str, str]) -> dict[str, str]:
    """What a program of a profile sends with each request."""
    return {"Authorization": f"Bearer {machine_token(platform, spaces[0], AUDIENCE)}"}


def mlflow(door: Browser, key: dict[str, str], method: str, path: str, **more: Any) -> httpx.Response:
    """What MLflow answers through the gateway."""
    return door.client.request(method, door.url + path, headers=key, **more)


def test_a_run_keeps_its_metric_and_its_file(platform: Platform, door: Browser, key: dict[str, str]) -> None:
    def told(path: str, **body: Any) -> dict[str, Any]:
        answer = mlflow(door, key, "POST", f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    number = told("experiments/create", name=f"e2e-{secrets.token_hex(4)}")["experiment_id"]
    now = int(time.time() * 1000)
    info = told("runs/create", experiment_id=number, start_time=now)["run"]["info"]
    told("runs/log-metric", run_id=info["run_id"], key="accuracy", value=0.97, timestamp=now, step=1)
    place = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert place != info["artifact_uri"], "files go through the server, programs have no key of the store"
    file = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{place}/model.txt"
    assert mlflow(door, key, "PUT", file, content=b"weights").status_code == 200
    told("runs/update", run_id=info["run_id"], status="FINISHED", end_time=now + 1)
    run = mlflow(door, key, "GET", f"{API}/runs/get", params={"run_id": info["run_id"]}).json()["run"]
    assert run["info"]["status"] == "FINISHED"
    assert [(one["key"], one["value"]) for one in run["data"]["metrics"]] == [("accuracy", 0.97)]
    listed = mlflow(door, key, "GET", f"{API}/artifacts/list", params={"run_id": info["run_id"]}).json()["files"]
    assert [(one["path"], one["file_size"]) for one in listed] == [("model.txt", 7)]
    assert mlflow(door, key, "GET", file).content == b"weights"
    able = mlflow(door, key, "GET", "/mlflow/api/3.0/mlflow/server-info").json()
    assert not [name for name, on in able.items() if "multipart" in name and on], (
        "programs do not reach the store itself"
    )
    stored = platform.minio().get_object("mlflow", f"{place}/model.txt")
    assert stored.read() == b"weights"
    stored.close()


def test_mlflow_is_for_who_is_logged_in_and_for_no_other_page(door: Browser, key: dict[str, str]) -> None:
    search, body = f"{API}/experiments/search", {"max_results": 1}
    assert mlflow(door, key, "POST", search, json=body).status_code == 200
    assert mlflow(door, {}, "POST", search, json=body).status_code in (302, 401, 403)
    from_elsewhere = {**key, "Origin": "https://elsewhere.example"}
    assert mlflow(door, from_elsewhere, "POST", search, json=body).status_code == 403
    assert mlflow(door, {**key, "Origin": door.url}, "POST", search, json=body).status_code == 200
    page = mlflow(door, key, "GET", "/mlflow/")
    script = re.search(r'src="(static-files/[^"]+\.js)"', page.text)
    assert page.status_code == 200 and script, "the page names what it needs relative to itself"
    assert mlflow(door, key, "GET", f"/mlflow/{script[1]}").status_code == 200


def test_pods_reach_mlflow_through_the_gateway_only(platform: Platform, door: Browser, spaces: tuple[str, str]) -> None:
    assert knock(platform, spaces[0], "mlflow.mlflow.svc.cluster.local", 5000).startswith("kept out")
