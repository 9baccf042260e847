"""Objects of a cluster as the API server gives them, with moments counted back from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

OF_EXPERIMENT = {"katib.kubeflow.org/experiment": "katib-random-1"}
"""The label of what belongs to the experiment of that name."""


def stamp(seconds: float) -> str:
    """A moment that many seconds ago, as the API writes it."""
    return (datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def deployment(stack: str, ready: int = 1, wanted: int = 1, name: str = "") -> dict[str, Any]:
    name = name or stack
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": stack,
            "generation": 1,
            "labels": {"mlstack.dev/instance": "golden", "mlstack.dev/stack": stack},
        },
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": name}}},
        "status": {
            "observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "availableReplicas": ready,
            "readyReplicas": ready,
        },
    }  # fmt: skip


def waiting_pod(stack: str, reason: str, message: str = "", last: dict[str, Any] | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    status = {
        "name": "main",
        "state": state,
        "restartCount": 3,
        **({"lastState": {"terminated": last}} if last else {}),
    }
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": f"{stack}-abc", "namespace": stack, "labels": {"app": stack}},
        "status": {"phase": "Pending", "containerStatuses": [status]},
    }


def profile(name: str, owner: str) -> dict[str, Any]:
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {"mlstack.dev/profile": name},
            "annotations": {"mlstack.dev/owner": owner},
        },
    }


def share(name: str, who: str, role: str, kind: str = "User") -> dict[str, Any]:
    """A binding as the stack of profiles makes it."""
    return {
        "kind": "RoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": f"profile-{role}", "namespace": name},
        "roleRef": {"kind": "ClusterRole", "name": f"mlstack-profile-{role}"},
        "subjects": [{"kind": kind, "name": who, **({"namespace": name} if kind == "ServiceAccount" else {})}],
    }


def _of_sample(sample: str, name: str, namespace: str, age: float) -> dict[str, Any]:
    """The metadata of a run of a sample."""
    return {
        "name": name,
        "namespace": namespace,
        "creationTimestamp": stamp(age),
        "labels": {"mlstack.dev/sample": sample},
        "annotations": {"mlstack.dev/started-by": "user@example.org"},
    }


def flow(
    name: str = "hello-1", namespace: str = "ml", phase: str = "Succeeded", age: float = 60, **more: Any
) -> dict[str, Any]:
    """A workflow of the sample ``hello`` with one step."""
    done = phase in ("Succeeded", "Failed", "Error")
    times = {"startedAt": stamp(age), **({"finishedAt": stamp(age - 12)} if done else {})}
    outputs = {"parameters": [{"name": "greeting", "value": "Hello, you!"}]} if phase == "Succeeded" else {}
    node = {"type": "Pod", "name": f"{name}.hello", "displayName": "hello", "phase": phase, "outputs": outputs, **times}
    status = {"phase": phase, "nodes": {f"{name}-n1": node}, **times}
    return {
        "kind": "Workflow",
        "apiVersion": "argoproj.io/v1alpha1",
        "metadata": _of_sample("hello", name, namespace, age),
        "spec": {},
        "status": {**status, **more},
    }  # fmt: skip


def step_pod(name: str = "hello-1", namespace: str = "ml") -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{name}-pod",
            "namespace": namespace,
            "labels": {"workflows.argoproj.io/workflow": name},
            "annotations": {"workflows.argoproj.io/node-name": f"{name}.hello"},
        },
    }


def pipeline_flow(name: str = "kfp-iris-ab12cd", namespace: str = "ml", phase: str = "Succeeded") -> dict[str, Any]:
    """The workflow that a run of pipelines became."""
    made = flow("kfp-iris-x7k2p", namespace, phase)
    made["metadata"] |= {
        "labels": {"pipeline/runid": "run-7"},
        "annotations": {"pipelines.kubeflow.org/run_name": name},
    }
    (node,) = made["status"]["nodes"].values()
    node |= {"name": "kfp-iris-x7k2p.root.load.executor", "displayName": "executor", "outputs": {}}
    driver = {**node, "name": "kfp-iris-x7k2p.root.load-driver", "displayName": "load-driver"}
    made["status"]["nodes"]["kfp-iris-x7k2p-n0"] = driver
    return made


def experiment(
    name: str = "katib-random-1", namespace: str = "ml", done: int = 1, age: float = 60, **conditions: str
) -> dict[str, Any]:
    """An experiment of the sample ``katib-random``. conditions: type -> message of what is true."""
    told = [
        {"type": kind, "status": "True", "message": message, "lastTransitionTime": stamp(age - 5)}
        for kind, message in ({"Running": "Experiment is running"} | conditions).items()
    ]
    best = {
        "bestTrialName": f"{name}-t1",
        "observation": {"metrics": [{"name": "accuracy", "latest": "0.93"}]},
        "parameterAssignments": [{"name": "rate", "value": "0.02"}, {"name": "alpha", "value": "0.001"}],
    }
    return {
        "kind": "Experiment",
        "apiVersion": "kubeflow.org/v1beta1",
        "metadata": _of_sample("katib-random", name, namespace, age),
        "spec": {"maxTrialCount": 4},
        "status": {"trialsSucceeded": done, "conditions": told, **({"currentOptimalTrial": best} if done else {})},
    }


def train_job(phase: str = "", **status: Any) -> dict[str, Any]:
    told = [{"type": phase, "status": "True", "message": "done", "lastTransitionTime": stamp(5)}] if phase else []
    return {
        "kind": "TrainJob",
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "metadata": {
            "name": "train-distributed-1",
            "namespace": "alpha",
            "creationTimestamp": stamp(60),
            "labels": {"mlstack.dev/sample": "train-distributed"},
        },
        "spec": {},
        "status": {"conditions": told, **status} if told or status else {},
    }


def run_pod(name: str, namespace: str, phase: str, labels: dict[str, str], **status: Any) -> dict[str, Any]:
    """A pod of a run that is no workflow."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": stamp(50)},
        "spec": {"nodeName": "n"},
        "status": {"phase": phase, **status},
    }


def warning(kind: str, name: str, namespace: str, reason: str, message: str, age: float = 30) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{name}.1", "namespace": namespace},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": stamp(age),
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
    }
