"""Up, again, killed, twice at once, stopped, started, gone. These tests come last: they disturb the platform."""

from __future__ import annotations

import io
import os
import random
import secrets
import signal
import subprocess
import time
from pathlib import Path

import kubernetes
import pytest

from e2e.platform import Platform, finished

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


@pytest.mark.last(3)
def test_stop_and_start_keep_everything(platform: Platform) -> None:
    client, body = platform.minio(), secrets.token_bytes(100_000)
    if not client.bucket_exists("e2e-stop"):
        client.make_bucket("e2e-stop")
    client.put_object("e2e-stop", "kept", io.BytesIO(body), len(body))
    began = time.monotonic()
    platform.cli("stop")
    stopped = time.monotonic() - began
    assert platform.cli("status", "--json", check=False).json()["cluster"] == "stopped"
    began = time.monotonic()
    platform.cli("start", timeout=300)
    started = time.monotonic() - began
    assert platform.status()["ready"]
    assert platform.minio().get_object("e2e-stop", "kept").read() == body
    assert stopped <= 20, f"stop took {stopped:.1f} s"
    assert started <= 90, f"start took {started:.1f} s"


@pytest.mark.last(4)
def test_a_killed_up_is_resumed_to_the_same_state(platform: Platform) -> None:
    platform.up()
    wanted = set(versions(platform))
    platform.cli("down", "--yes", timeout=300)
    generator = random.Random(os.environ.get("MLSTACK_E2E_SEED", "5"))
    for _ in range(5):
        run = platform.start("up", "--yes", "--json")
        time.sleep(generator.uniform(2, 45))  # the moment of the kill is the point of the test
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    platform.up()
    assert set(versions(platform)) == wanted
    assert finished(platform.up())["changed"] == 0


@pytest.mark.last(5)
def test_down_leaves_nothing(platform: Platform) -> None:
    before = platform.status()
    state = Path(before["kubeconfig"]).parent
    platform.cli("down", "--purge", "--yes", timeout=300)
    assert not state.exists()
    for what in (
        ["ps", "-aq"],
        ["volume", "ls", "-q"],
        ["network", "ls", "-q", "--filter", f"name=mlstack-{platform.name}"],
    ):
        label = [] if what[0] == "network" else ["--filter", f"label=io.x-k8s.kind.cluster={platform.name}"]
        done = subprocess.run(["docker", *what, *label], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [], what
    left = subprocess.run(
        ["pgrep", "-af", f"{platform.name}-control-plane"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""
    assert platform.cli("status", "--json", check=False).json()["cluster"] == "absent"
