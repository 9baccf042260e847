"""Waits, logs, commands and forwarded ports on a cluster with nodes; MLSTACK_TEST_KUBECONFIG names it, else all is skipped.

The cluster needs the image that MLSTACK_TEST_IMAGE names (a busybox with sh, httpd and cat) in its nodes.
"""

from __future__ import annotations

import os
import time
import urllib.request
from pathlib import Path

import pytest
from sampleobjects import config, ns, slow_waits
from world import World, stack

from mlstack.adapters.kube_http import Patience
from mlstack.core.errors import MlstackError
from mlstack.core.events import StepWaiting
from mlstack.core.model import ResourceId

KUBECONFIG = os.environ.get("MLSTACK_TEST_KUBECONFIG", "")
IMAGE = os.environ.get("MLSTACK_TEST_IMAGE", "docker.io/library/busybox:test")
SPACE = "engine-test"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBECONFIG, reason="MLSTACK_TEST_KUBECONFIG names no cluster"),
]


@pytest.fixture
def world(tmp_path):
    world = World(Path(KUBECONFIG), tmp_path / "state", Patience())
    yield world
    client = world.client()
    for name in (SPACE, "mlstack-system"):
        client.delete(ResourceId("Namespace", name))
    for name in (SPACE, "mlstack-system"):
        while client.get(ResourceId("Namespace", name)) is not None:
            time.sleep(0.2)


def workload(name, command, *, image=IMAGE, kind="Deployment", probe=None, request="1m"):
    container = {"name": "main", "image": image, "imagePullPolicy": "Never", "command": ["sh", "-c", command]}
    container |= {"resources": {"requests": {"cpu": request}}, "ports": [{"name": "http", "containerPort": 8080}]}
    container |= {"readinessProbe": probe} if probe else {}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    api = "apps/v1"
    if kind == "Job":
        pod["restartPolicy"] = "Never"
        spec, api = {"template": template, "backoffLimit": 0}, "batch/v1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": SPACE}, "spec": spec}


def service(name):
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE}, "spec": spec}


SERVE = "mkdir /w; echo forwarded > /w/index.html; echo up; exec httpd -f -p 8080 -h /w"


def test_a_web_server_comes_up_and_can_be_reached(world):
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    _plan, report = world.up(
        stack(
            "e",
            ns(SPACE),
            service("web"),
            workload("web", SERVE, probe=probe),
            workload("job", "echo done; exit 0", kind="Job"),
        )
    )
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    client = world.client()
    (pod,) = client.list(client.resource("v1", "Pod"), "app=web", SPACE)
    name = pod["metadata"]["name"]
    assert list(client.logs(SPACE, name)) == ["up"]
    with client.forward(SPACE, "web", 80) as port:
        for _ in range(3):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read() == b"forwarded\n"
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)

    big = "line of text\n" * 20_000
    code, output, errors = client.execute(SPACE, name, ["sh", "-c", "cat; echo to-stderr >&2; exit 3"], stdin=big)
    assert (code, output, errors) == (3, big, "to-stderr\n")
    assert client.execute(SPACE, name, ["true"]) == (0, "", "")
    for arguments in ((SPACE, "no-such-pod", ["true"]), (SPACE, name, ["no-such-program"])):
        with pytest.raises(MlstackError) as caught:
            client.execute(*arguments)
        assert caught.value.code == "kube.exec"
    with pytest.raises(MlstackError) as caught:
        client.execute(SPACE, name, ["sleep", "60"], timeout=1.0)
    assert "not finished after 1 s" in caught.value.why
    with pytest.raises(MlstackError) as caught, client.forward(SPACE, "web", 81):
        pass
    assert caught.value.code == "kube.no-backend"
    assert (
        world.up(
            stack(
                "e",
                ns(SPACE),
                service("web"),
                workload("web", SERVE, probe=probe),
                workload("job", "echo done; exit 0", kind="Job"),
            )
        )[0].actions
        == ()
    )


PROBE = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
REASONS = {
    "crash": (
        workload("bad", "echo cannot open the file; exit 4", probe=PROBE),
        "wait.timeout",
        ["CrashLoopBackOff", "exit code 4", "cannot open the file"],
    ),
    "image": (workload("bad", "true", image="docker.io/library/none:no"), "wait.failed", ["ErrImageNeverPull"]),
    "scheduling": (workload("bad", "true", request="900"), "wait.timeout", ["not scheduled", "Insufficient cpu"]),
    "probe": (
        workload("bad", "exec sleep 1000", probe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}),
        "wait.timeout",
        ["Unhealthy", "probe failed"],
    ),
    "job": (
        workload("bad", "echo wrong input; exit 5", kind="Job"),
        "wait.failed",
        ["BackoffLimitExceeded", "wrong input"],
    ),
    "config": (
        {**workload("bad", "true")},
        "wait.timeout",
        ["CreateContainerConfigError", "none"],
    ),
}
REASONS["config"][0]["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "none"}}]


@pytest.mark.parametrize(("bad", "code", "words"), REASONS.values(), ids=REASONS)
def test_what_holds_a_workload_up_is_told(world, bad, code, words):
    _plan, report = world.up(stack("e", ns(SPACE), config("c", SPACE), bad), change=slow_waits(12.0))
    (error,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert error["code"] == code
    for word in words:
        assert word in error["why"], error["why"]
    if code == "wait.timeout":
        assert any(words[0] in pending.reason for event in world.told(StepWaiting) for pending in event.pending)
