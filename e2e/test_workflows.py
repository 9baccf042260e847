"""What a workflow that fails tells, and who may read a workflow's secrets."""

from __future__ import annotations

import time
from typing import Any

import kubernetes
import pytest

from e2e.platform import PYTHON_IMAGE, SHELL_IMAGE, Platform, namespace, restricted, run_pod, wait_for
from mlstack.adapters.kube import KubeClient

GROUP = ("argoproj.io", "v1alpha1")
"""The training sample's image, for a pod that needs an HTTPS client; the shell image's knows no curve of the API server."""
ASK = """
import os, ssl, sys, urllib.error, urllib.request
account = "/var/run/secrets/kubernetes.io/serviceaccount"
token = open(f"{account}/token").read()
context = ssl.create_default_context(cafile=f"{account}/ca.crt")
for path in sys.argv[1:]:
    url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        print(urllib.request.urlopen(request, context=context, timeout=20).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
DATABASE = "argo"
"""The workflow archive's database."""


@pytest.fixture(scope="session")
def home(platform: Platform) -> dict[str, str]:
    """Where the samples run, and the image they use."""
    return {"namespace": platform.hello()["namespace"], "image": SHELL_IMAGE}


def submit(platform: Platform, space: str, spec: dict[str, Any], seconds: int = 240) -> dict[str, Any]:
    """Creates a workflow and watches it to its end."""
    api = kubernetes.client.CustomObjectsApi(platform.api())
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "e2e-", "namespace": space},
        "spec": spec,
    }
    name = api.create_namespaced_custom_object(*GROUP, space, "workflows", body)["metadata"]["name"]
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        api.list_namespaced_custom_object,
        *GROUP,
        space,
        "workflows",
        field_selector=f"metadata.name={name}",
        timeout_seconds=seconds,
    ):
        flow = event["object"]
        if flow.get("status", {}).get("finishedAt"):
            watch.stop()
            return flow
    raise AssertionError(f"workflow {name} did not end in {seconds} s")


def test_exit_code_and_log_of_a_failed_workflow(platform: Platform, home: dict[str, str]) -> None:
    spec = {
        "entrypoint": "main",
        "templates": [
            {
                "name": "main",
                "container": {
                    "image": home["image"],
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c"],
                    "args": ["echo about to fail >&2; exit 3"],
                },
            }
        ],
    }
    flow = submit(platform, home["namespace"], spec)
    assert flow["status"]["phase"] == "Failed"
    # the user's own error is not retried: one pod, one attempt
    pods = [node for node in flow["status"]["nodes"].values() if node["type"] == "Pod"]
    assert [pod["outputs"]["exitCode"] for pod in pods] == ["3"]
    logs = [item["s3"]["key"] for item in pods[0]["outputs"]["artifacts"] if item["name"] == "main-logs"]
    bucket = flow["status"]["artifactRepositoryRef"]["artifactRepository"]["s3"]["bucket"]
    assert b"about to fail" in platform.minio().get_object(bucket, logs[0]).read()


def test_archived_in_mysql(platform: Platform, home: dict[str, str]) -> None:
    spec = {
        "entrypoint": "main",
        "templates": [{"name": "main", "container": {"image": home["image"], "command": ["true"]}}],
    }
    flow = submit(platform, home["namespace"], spec)
    assert flow["status"]["phase"] == "Succeeded"
    deadline = time.monotonic() + 60
    query = f"select phase from argo_archived_workflows where uid='{flow['metadata']['uid']}'"
    rows = ""
    while not rows and time.monotonic() < deadline:
        rows = sql(platform, query)
    assert rows.strip() == "Succeeded"


def sql(platform: Platform, statement: str) -> str:
    """Runs a statement in the database of the workflow archive, as root, through the pod's own client."""
    core = platform.core()
    pods = core.list_pod_for_all_namespaces(label_selector="mlstack.dev/stack=mysql").items
    pod = next(pod for pod in pods if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp)
    kube = KubeClient(platform.kubeconfig)
    try:
        code, out, err = kube.execute(
            pod.metadata.namespace,
            pod.metadata.name,
            ["sh", "-c", "read -r MYSQL_PWD; export MYSQL_PWD; exec mysql -uroot -N"],
            stdin=f"{platform.credential('mysql')['password']}\nuse {DATABASE};\n{statement};\n",
        )
    finally:
        kube.close()
    assert code == 0, err
    return out


def test_foreign_namespace_cannot_read_the_workflow_secrets(platform: Platform, home: dict[str, str]) -> None:
    core = platform.core()
    names = [item.metadata.name for item in core.list_namespaced_secret(home["namespace"]).items]
    assert names, "the workflows' namespace holds the artifact store's keys"
    auth = kubernetes.client.AuthorizationV1Api(platform.api())

    def allowed(user: str) -> bool:
        review = {
            "spec": {
                "user": user,
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {
                    "namespace": home["namespace"],
                    "verb": "get",
                    "resource": "secrets",
                    "name": names[0],
                },
            }
        }
        return bool(auth.create_subject_access_review(review).status.allowed)

    with namespace(core) as space:
        assert not allowed(f"system:serviceaccount:{space}:default")
        # and for real: a pod of that namespace with its own token, which the API server knows, gets 403
        path = f"/api/v1/namespaces/{home['namespace']}/secrets/{names[0]}"
        spec = restricted(PYTHON_IMAGE, ["python3", "-c", ASK, "/version", path])
        spec["automountServiceAccountToken"] = True
        pod = run_pod(core, space, spec)
        wait_for(core, space, pod, {"Succeeded", "Failed"})
        assert core.read_namespaced_pod_log(pod, space).split() == ["200", "403"]
