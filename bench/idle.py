"""What a platform takes when nobody uses it, by the kubelets' own accounts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import kubernetes

from bench.measure import mlstack
from mlstack.core.budget import quantity

IDLE_SECONDS = 60
SETTLE_SECONDS = 60
"""What a platform gets to come to rest before it counts as idle."""
NODES = "all nodes"


@dataclass(frozen=True)
class Use:
    """What something took over IDLE_SECONDS. cpu: thousandths of a core; memory: MiB of the working set at the end."""

    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.cpu:.0f} mCPU, {self.memory:.0f} MiB"

    def __add__(self, other: Use) -> Use:
        return Use(self.cpu + other.cpu, self.memory + other.memory)


def used(instance: str) -> dict[str, Use]:
    """Use by pod (``namespace/name``), and of NODES, once the platform has come to rest."""
    status = json.loads(mlstack("status", "--json", "--name", instance).out)
    core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(status["kubeconfig"]))
    time.sleep(SETTLE_SECONDS)
    before, began = _summary(core), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = _summary(core), time.monotonic() - began
    return {
        name: Use((cpu - before.get(name, (cpu, 0))[0]) / 1e6 / seconds, memory / 2**20)
        for name, (cpu, memory) in after.items()
    }


def requested(instance: str) -> Use:
    """What the platform's pods request of the nodes altogether, so much of which others cannot have."""
    status = json.loads(mlstack("status", "--json", "--name", instance).out)
    core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(status["kubeconfig"]))
    total = Use(0, 0)
    for pod in core.list_pod_for_all_namespaces(field_selector="status.phase=Running").items:
        for container in pod.spec.containers:
            asked = (container.resources.requests if container.resources else None) or {}
            cpu, memory = quantity(asked.get("cpu", 0)), quantity(asked.get("memory", 0))
            total += Use(float(cpu) * 1000, float(memory) / 2**20)
    return total


def _summary(core: Any) -> dict[str, tuple[int, int]]:
    """CPU nanoseconds used so far and bytes of the working set, by pod and for all nodes."""
    found: dict[str, tuple[int, int]] = {}
    for node in core.list_node().items:
        answer = core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary", _preload_content=False)
        text = json.loads(answer.data)
        _add(found, NODES, text["node"])
        for pod in text["pods"]:
            _add(found, f"{pod['podRef']['namespace']}/{pod['podRef']['name']}", pod)
    return found


def _add(found: dict[str, tuple[int, int]], name: str, part: dict[str, Any]) -> None:
    cpu, memory = found.get(name, (0, 0))
    used = part.get("cpu", {}).get("usageCoreNanoSeconds", 0), part.get("memory", {}).get("workingSetBytes", 0)
    found[name] = (cpu + int(used[0]), memory + int(used[1]))
