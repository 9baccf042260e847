"""Searches of users, for the tests of tuning: their objects, and what the database holds of their trials."""

from __future__ import annotations

from typing import Any

import kubernetes
import kubernetes.stream

from e2e.platform import PYTHON_IMAGE, Platform, until

EXPERIMENTS = ("kubeflow.org", "v1beta1", "experiments")


def records(platform: Platform, trials: str) -> list[tuple[str, ...]]:
    """(trial, number, time, metric, value) as the platform's database holds them. trials: a pattern of their names."""
    core = platform.core()
    pod = core.list_namespaced_pod("mysql", label_selector="app.kubernetes.io/name=mysql").items[0].metadata.name
    columns = "trial_name, id, time, metric_name, value"
    query = f"SELECT {columns} FROM katib.observation_logs WHERE trial_name LIKE '{trials}' ORDER BY id"
    script = f'MYSQL_PWD=$(cat "$ROOT_PASSWORD_FILE") exec mysql -uroot -N -B -e "{query}"'
    said = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, pod, "mysql", command=["sh", "-c", script], stdout=True, stderr=False
    )
    return [tuple(line.split("\t")) for line in said.splitlines() if "\t" in line]


def observed(platform: Platform, trial: str) -> list[tuple[str, str]]:
    """(metric, value) of a trial as the platform's database holds them."""
    return [(metric, value) for _, _, _, metric, value in records(platform, trial)]


def search(name: str, seconds: int = 5, **spec: Any) -> dict[str, Any]:
    """An experiment whose trials only say a number, after so many seconds."""
    container = {
        "name": "trial",
        "image": PYTHON_IMAGE,
        # a trial that ends before the collector beside it looks is taken for a failed one
        "command": ["sh", "-c", f"sleep {seconds} && python3 -c 'print(\"score=${{trialParameters.x}}\")'"],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    template = {
        "primaryContainerName": "trial",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
    }
    default = {
        "objective": {"type": "maximize", "objectiveMetricName": "score"},
        "algorithm": {"algorithmName": "grid"},
        "parallelTrialCount": 2,
        "maxTrialCount": 3,
        "maxFailedTrialCount": 0,
        "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}}],
        "trialTemplate": template,
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {**default, **spec},
    }


def ended(api: kubernetes.client.CustomObjectsApi, space: str, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        obj = api.get_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], name)
        true = {one["type"] for one in obj.get("status", {}).get("conditions", []) if one["status"] == "True"}
        return obj if true & {"Succeeded", "Failed"} else None

    return dict(until(look, 180, f"the end of {name}"))
