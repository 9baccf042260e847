"""Addon mpi-operator, where it is on: what its jobs compute, who may make them, what is refused, and who reaches their workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from e2e.platform import PYTHON_IMAGE, Platform, restricted, run_pod, until, wait_for
from e2e.tenants import ANN, ann_and_bob, as_user, for_users_at_home, may, needs_addon

IMAGE = "mlstack.local/openmpi:4.1"
GROUP, VERSION, PLURAL = "kubeflow.org", "v2beta1", "mpijobs"
LABEL = "training.kubeflow.org/job-name"


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "mpi-operator")
    with ann_and_bob(platform, "profile standard has it") as names:
        yield names


def pod(command: list[str], **more: Any) -> dict[str, Any]:
    """A template of a confined pod of user 1000, the only container of which runs the command."""
    found = restricted(IMAGE, command)
    (container,) = found["containers"]
    container |= {
        "name": "mpi",
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        **more,
    }
    return {"metadata": {"annotations": {"sidecar.istio.io/inject": "false"}}, "spec": found}


def mpijob(name: str, command: list[str], workers: int = 2, **spec: Any) -> dict[str, Any]:
    """A job as the addon's page shows it, whose launcher runs the command."""
    probe = {"tcpSocket": {"port": 2222}, "periodSeconds": 1, "failureThreshold": 60}
    worker = pod(["/usr/sbin/sshd", "-De"], startupProbe=probe)
    roles = {
        "Launcher": {"replicas": 1, "restartPolicy": "Never", "template": pod(command)},
        "Worker": {"replicas": workers, "restartPolicy": "Never", "template": worker},
    }
    said = {
        "sshAuthMountPath": "/home/mpi/.ssh",
        "launcherCreationPolicy": "WaitForWorkersReady",
        "runPolicy": {"cleanPodPolicy": "Running", "backoffLimit": 0},
        "mpiReplicaSpecs": roles,
        **spec,
    }
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "MPIJob", "metadata": {"name": name}, "spec": said}


def make(platform: Platform, space: str, job: dict[str, Any]) -> None:
    as_user(platform, ANN).create_namespaced_custom_object(GROUP, VERSION, space, PLURAL, job)


def ended(platform: Platform, space: str, name: str) -> str:
    """The condition that ends the job."""

    def look() -> str:
        status = as_user(platform).get_namespaced_custom_object(GROUP, VERSION, space, PLURAL, name).get("status", {})
        true = {one["type"] for one in status.get("conditions", []) if one["status"] == "True"}
        return min(true & {"Succeeded", "Failed"}, default="")

    return str(until(look, 240, f"the end of {name}"))


def pods(platform: Platform, space: str, name: str, role: str) -> list[Any]:
    selector = f"{LABEL}={name},training.kubeflow.org/job-role={role}"
    return list(platform.core().list_namespaced_pod(space, label_selector=selector).items)


def told(platform: Platform, space: str, name: str) -> str:
    """All that the launcher of a job wrote."""
    (launcher,) = pods(platform, space, name, "launcher")
    return str(platform.core().read_namespaced_pod_log(launcher.metadata.name, space))


@pytest.mark.parametrize(("workers", "slots"), [(2, 1), (3, 2)])
def test_processes_on_several_pods_fit_one_model(
    platform: Platform, spaces: tuple[str, str], workers: int, slots: int
) -> None:
    params = ("--param", f"workers={workers}", "--param", f"slots={slots}")
    result = platform.cli("run", "train-mpi", "--profile", spaces[0], *params, "--watch", "--json").lines()[-1]
    assert (result["phase"], result["namespace"]) == ("Succeeded", spaces[0])
    found, processes = result["results"], workers * slots
    assert (found["processes"], found["hosts"]) == (str(processes), str(workers)), "each pod has its share"
    assert (found["sum"], found["agree"]) == (str(processes * (processes + 1) // 2), "true")
    assert float(found["loss"]) < 0.001


def test_a_sample_runs_beside_the_workflows_too(platform: Platform, spaces: tuple[str, str]) -> None:
    result = platform.cli("run", "train-mpi", "--param", "workers=1", "--watch", "--json").lines()[-1]
    assert result["phase"] == "Succeeded" and result["namespace"] not in spaces
    assert result["results"]["sum"] == "1"


def test_a_job_of_ones_own_adds_up_and_its_workers_go(platform: Platform, spaces: tuple[str, str]) -> None:
    program = "from mpi4py import MPI; w = MPI.COMM_WORLD; t = w.allreduce(10 ** w.rank); w.rank or print('total', t)"
    make(platform, spaces[0], mpijob("adds", ["mpi-launch", "-n", "2", "python3", "-c", program]))
    assert ended(platform, spaces[0], "adds") == "Succeeded"
    assert "total 11" in told(platform, spaces[0], "adds").splitlines()
    until(lambda: not pods(platform, spaces[0], "adds", "worker"), 60, "the workers' end")


def test_a_job_may_be_made_again_under_its_name(platform: Platform, spaces: tuple[str, str]) -> None:
    """The keys of the first one are not those of the second."""
    space, name = spaces[0], "again"
    secrets = []
    for _ in range(2):
        make(platform, space, mpijob(name, ["mpi-launch", "-n", "1", "hostname"], workers=1))
        assert ended(platform, space, name) == "Succeeded"
        secrets.append(platform.core().read_namespaced_secret(f"{name}-ssh", space).data["ssh-publickey"])
        as_user(platform, ANN).delete_namespaced_custom_object(GROUP, VERSION, space, PLURAL, name)
    assert secrets[0] != secrets[1]


def test_a_program_that_fails_ends_its_job(platform: Platform, spaces: tuple[str, str]) -> None:
    make(platform, spaces[0], mpijob("fails", ["mpi-launch", "-n", "2", "sh", "-c", "exit 3"]))
    assert ended(platform, spaces[0], "fails") == "Failed"


def test_everybody_makes_such_jobs_at_home_only(platform: Platform, spaces: tuple[str, str]) -> None:
    for_users_at_home(platform, f"{PLURAL}.{GROUP}", spaces)
    account = "system:serviceaccount:mpi-operator:mpi-operator"
    for resource in ("pods", "secrets"):
        assert may(platform, account, "create", resource, spaces[0])
    for verb in ("get", "list", "watch"):
        assert not may(platform, account, verb, "secrets", spaces[0])
    assert not may(platform, account, "create", "pods/exec", spaces[0])


def test_a_job_that_cannot_be_is_refused_at_once(platform: Platform, spaces: tuple[str, str]) -> None:
    wrong = mpijob("wrong", ["true"])
    del wrong["spec"]["mpiReplicaSpecs"]["Launcher"]
    for job, why in (
        (wrong, "has a Launcher"),
        (mpijob("wrong", ["true"], workers=0), "at least one"),
        (mpijob("w" * 60, ["true"]), "at most 54"),
        (mpijob("wrong", ["true"], mpiImplementation="Other"), "Unsupported value"),
    ):
        with pytest.raises(ApiException) as caught:
            make(platform, spaces[0], job)
        assert caught.value.status == 422 and why in json.loads(caught.value.body)["message"]


# a pod's address reaches the walls of the others a moment after its start: kept out is who is so for longer
KNOCK = """
import socket, sys, time
end = time.monotonic() + 20
while True:
    try:
        print("in", socket.create_connection((sys.argv[1], 2222), 5).recv(4).decode())
        break
    except OSError as error:
        if time.monotonic() > end:
            print("kept out", error)
            break
        time.sleep(0.5)
"""


def test_workers_are_reached_in_their_profile_only_and_let_in_nobody_without_the_key(
    platform: Platform, spaces: tuple[str, str]
) -> None:
    core, (one, two) = platform.core(), spaces
    make(platform, one, mpijob("waits", ["sleep", "3600"], workers=1))
    (worker,) = until(lambda: [p for p in pods(platform, one, "waits", "worker") if p.status.pod_ip], 120, "a worker")
    wait_for(core, one, worker.metadata.name, {"Running"})
    until(lambda: pods(platform, one, "waits", "launcher"), 120, "the launcher")
    address = core.read_namespaced_pod(worker.metadata.name, one).status.pod_ip
    for space, said in ((one, "in SSH-"), (two, "kept out")):
        name = run_pod(core, space, restricted(PYTHON_IMAGE, ["python3", "-c", KNOCK, address]))
        assert wait_for(core, space, name, {"Succeeded", "Failed"}) == "Succeeded"
        assert core.read_namespaced_pod_log(name, space).startswith(said)
    options = ("StrictHostKeyChecking=no", "KnownHostsCommand=none", "ConnectionAttempts=20")
    ssh = ["ssh", *(word for option in options for word in ("-o", option)), address, "id"]
    name = run_pod(core, one, pod(ssh)["spec"])
    assert wait_for(core, one, name, {"Succeeded", "Failed"}) == "Failed"
    assert "Permission denied (publickey)" in core.read_namespaced_pod_log(name, one)
    as_user(platform, ANN).delete_namespaced_custom_object(GROUP, VERSION, one, PLURAL, "waits")
