"""Up, again, killed, twice at once, stopped, started, gone. These tests come last: they disturb the platform."""

from __future__ import annotations

import io
import json
import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kubernetes
import pytest

from e2e.platform import Platform, finished

ENGINE_SCRIPT = Path("/var/lib/mlstack/engine/bin/mlstack-engine")
"""Starts the engine on hosts without an init system (playbooks/group_vars/all.yml); elsewhere it is not there."""
NOISY = {
    "Event",
    "Lease",
    "EndpointSlice",
    "Endpoints",
    "Pod",
    "Node",
    "Workflow",
    "WorkflowTaskResult",
    "PodMetrics",
    "NodeMetrics",
}


def versions(platform: Platform) -> dict[str, str]:
    """resourceVersion of every object that carries our label."""
    client = kubernetes.dynamic.DynamicClient(platform.api())
    found: dict[str, str] = {}
    for resource in client.resources.search():
        if (
            resource.kind in NOISY
            or "list" not in (getattr(resource, "verbs", None) or [])
            or resource.kind.endswith("List")
        ):
            continue
        for item in client.get(resource, label_selector="mlstack.dev/stack").items:
            meta = item.metadata
            found[f"{resource.kind}/{meta.namespace or ''}/{meta.name}"] = meta.resourceVersion
    return found


@pytest.mark.last(1)
def test_second_up_changes_nothing(platform: Platform) -> None:
    platform.up()
    before = versions(platform)
    assert len(before) > 40
    end = finished(platform.up())
    assert (end["outcome"], end["changed"]) == ("ok", 0)
    assert versions(platform) == before


@pytest.mark.last(1)
def test_a_record_of_nothing_to_do_hides_no_change_made_by_hand(platform: Platform) -> None:
    """After an ``up`` that found nothing to do the next one takes a short way, but only while that is still true."""
    record = Path(platform.status()["kubeconfig"]).with_name("unchanged.json")
    platform.up()  # from elsewhere the record may be of another command line
    before = record.stat()
    assert finished(platform.up())["changed"] == 0
    assert record.stat() == before, "the usual way was taken, which writes the record anew"
    core = platform.core()
    core.delete_namespaced_service("workflow-controller-metrics", "argo")
    assert finished(platform.up())["changed"] >= 1
    assert core.read_namespaced_service("workflow-controller-metrics", "argo")
    assert finished(platform.up())["changed"] == 0


@pytest.mark.last(2)
def test_two_ups_at_once_have_one_writer(platform: Platform) -> None:
    core = platform.core()
    # something to do, so that the first one is still at it when the second one comes
    for pod in core.list_pod_for_all_namespaces(label_selector="mlstack.dev/stack=minio").items:
        core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
    runs = [platform.start("up", "--yes", "--json") for _ in range(3)]
    ends = [(run.communicate(timeout=300)[0], run.returncode, run.pid) for run in runs]
    winners = [pid for _, code, pid in ends if code == 0]
    assert winners, ends
    for out, code, _ in ends:
        if code != 0:
            assert code == 3, out
            assert any(str(pid) in out for pid in winners), f"the loser names the writer: {out}"


@contextmanager
def kept(platform: Platform, bucket: str) -> Iterator[None]:
    """An object that must be there, unchanged, after the block."""
    client, body = platform.minio(), secrets.token_bytes(100_000)
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    client.put_object(bucket, "kept", io.BytesIO(body), len(body))
    yield
    assert platform.minio().get_object(bucket, "kept").read() == body


@pytest.mark.last(3)
def test_stop_and_start_keep_everything(platform: Platform) -> None:
    with kept(platform, "e2e-stop"):
        stopped, started = stop_and_start(platform)
    assert stopped <= 20, f"stop took {stopped:.1f} s"
    assert started <= 90, f"start took {started:.1f} s"


def stop_and_start(platform: Platform) -> tuple[float, float]:
    """The seconds that each took."""
    began = time.monotonic()
    platform.cli("stop")
    stopped = time.monotonic() - began
    assert platform.cli("status", "--json", check=False).json()["cluster"] == "stopped"
    began = time.monotonic()
    platform.cli("start", timeout=300)
    started = time.monotonic() - began
    assert platform.status()["ready"]
    return stopped, started


@pytest.mark.last(4)
def test_start_repairs_what_a_reboot_leaves(platform: Platform) -> None:
    """Nodes killed without a word and, where mlstack looks after it, the engine gone."""
    with kept(platform, "e2e-boot"):
        subprocess.run(["docker", "kill", f"{platform.name}-control-plane"], check=True, capture_output=True)
        if ENGINE_SCRIPT.exists():
            subprocess.run([ENGINE_SCRIPT, "stop"], check=True, capture_output=True)
        assert platform.cli("status", "--json", check=False).json()["cluster"] == "stopped"
        platform.cli("start", timeout=300)
        assert platform.status()["ready"]


def await_container(name: str, since: float) -> None:
    """Returns once the engine tells that the container was started after ``since``, in Unix time."""
    argv = ["docker", "events", "--since", f"{since:.0f}", "--filter", f"container={name}", "--filter", "event=start"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as told:
        assert told.stdout is not None
        line = told.stdout.readline()
        told.terminate()
    assert name in line


def follow(run: subprocess.Popen[str], kind: str, step: str) -> None:
    """Reads a run's events until one of that kind about that step comes."""
    assert run.stdout is not None
    for line in run.stdout:
        event = json.loads(line)
        if event["type"] == kind and event.get("step", "").startswith(step):
            return
    raise AssertionError(f"the run ended with {run.wait()} before {kind} of {step}")


@pytest.mark.last(5)
def test_ctrl_c_stops_within_five_seconds_and_up_goes_on_though_the_api_server_is_killed(platform: Platform) -> None:
    platform.cli("down", "--yes", timeout=300)
    since = time.time()
    run = platform.start("up", "--yes", "--json")
    follow(run, "StepStarted", "cluster:create")
    await_container(f"{platform.name}-control-plane", since)  # well inside it: its API is not there yet
    run.send_signal(signal.SIGINT)
    began = time.monotonic()
    out = run.communicate(timeout=60)[0]
    assert time.monotonic() - began <= 5
    assert run.returncode == 130, out
    run = platform.start("up", "--yes", "--json")
    follow(run, "StepDone", "cluster:create")
    node = f"{platform.name}-control-plane"
    subprocess.run(["docker", "exec", node, "pkill", "-9", "kube-apiserver"], check=True)
    out = run.communicate(timeout=600)[0]
    assert run.returncode == 0, out
    assert platform.status()["ready"]


def names(platform: Platform) -> set[str]:
    """What there is. ReplicaSets without their hash: it is that of a pod template, which is marked with the Secrets it reads, and
    those are others in another cluster."""
    return {key.rpartition("-")[0] if key.startswith("ReplicaSet/") else key for key in versions(platform)}


@pytest.mark.last(6)
def test_a_killed_up_is_resumed_to_the_same_state(platform: Platform) -> None:
    platform.up()
    wanted = names(platform)
    platform.cli("down", "--yes", timeout=300)
    generator = random.Random(os.environ.get("MLSTACK_E2E_SEED", "5"))
    for _ in range(5):
        run = platform.start("up", "--yes", "--json")
        time.sleep(generator.uniform(2, 45))  # the moment of the kill is the point of the test
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    platform.up()
    assert names(platform) == wanted
    assert finished(platform.up())["changed"] == 0


@pytest.mark.last(7)
def test_a_running_platform_goes_to_the_second_version_of_its_workflow_engine(platform: Platform) -> None:
    with kept(platform, "e2e-upgrade"):
        platform.up("--set", "stacks.argo-workflows.version=4.0.5")
        assert {one["name"]: one["version"] for one in platform.status()["stacks"]}["argo-workflows"] == "4.0.5"
        assert platform.hello()["phase"] == "Succeeded"


@pytest.mark.last(8)
def test_down_leaves_nothing(platform: Platform) -> None:
    before = platform.status()
    state = Path(before["kubeconfig"]).parent
    platform.cli("down", "--purge", "--yes", timeout=300)
    assert not state.exists()
    if ENGINE_SCRIPT.exists() and not any(state.parent.glob("*")):
        # the last instance ended the engine that mlstack had started
        assert subprocess.run([ENGINE_SCRIPT, "status"], capture_output=True, text=True, check=False).stdout.startswith(
            "not running"
        )
        platform.cli("doctor", "--fix", check=False, timeout=300)
    for what in (
        ["ps", "-aq"],
        ["volume", "ls", "-q"],
        ["network", "ls", "-q", "--filter", f"name=^mlstack-{platform.name}$"],
    ):
        label = [] if what[0] == "network" else ["--filter", f"label=io.x-k8s.kind.cluster={platform.name}"]
        done = subprocess.run(["docker", *what, *label], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [], what
    left = subprocess.run(
        ["pgrep", "-af", f"{platform.name}-control-plane"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""
    assert platform.cli("status", "--json", check=False).json()["cluster"] == "absent"
