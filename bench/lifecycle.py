"""The life of the platform on this machine: down and up with warm caches, stop and start, and what it takes when idle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import kubernetes

from bench.measure import Results, Row, mlstack

IDLE_SECONDS = 60
SETTLE_SECONDS = 60
"""What a platform gets to come to rest before it counts as idle."""


def measure(instance: str) -> Results:
    """P20, stop and start, P17. The platform ends as it was: up."""
    results = Results("lifecycle", "python -m bench lifecycle")
    name = ("--name", instance)
    down = mlstack("down", *name).seconds
    results.add(Row("", "`down` (data kept)", f"{down:.1f} s"))
    up = mlstack("up", "--yes", "--plain", *name).seconds
    hello = mlstack("run", "hello", "--watch", *name).seconds
    what = "`up` after `down`, images cached, to the first sample Succeeded"
    note = f"up {up:.1f} s, sample {hello:.1f} s"
    results.add(Row("P20", what, f"{up + hello:.1f} s", "", "120 s", up + hello <= 120, note))
    again = mlstack("up", "--yes", "--plain", *name)
    results.add(Row("", "second `up`, nothing changes, whole process", f"{again.seconds:.2f} s"))
    stop = mlstack("stop", *name).seconds
    results.add(Row("", "`stop`, every pod ended first", f"{stop:.1f} s", "", "20 s", stop <= 20))
    start = mlstack("start", *name).seconds
    results.add(Row("", "`start`, every pod Ready again", f"{start:.1f} s", "", "90 s", start <= 90))
    for row in _idle(instance):
        results.add(row)
    return results


def _idle(instance: str) -> Iterator[Row]:
    """CPU and memory on the nodes over a minute, by the kubelets' own accounts."""
    status = json.loads(mlstack("status", "--json", "--name", instance).out)
    core = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(status["kubeconfig"]))
    time.sleep(SETTLE_SECONDS)
    before, began = _summary(core), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = _summary(core), time.monotonic() - began
    for name in sorted(after, key=lambda one: (one != "node", one)):
        cpu = (after[name][0] - before.get(name, after[name])[0]) / 1e9 / seconds * 1000
        memory = after[name][1] / 2**20
        goal = ("P17", "3 GiB", memory <= 3 * 1024) if name == "node" else ("", "", None)
        what = "idle, all nodes" if name == "node" else f"idle, {name}"
        yield Row(goal[0], what, f"{cpu:.0f} mCPU, {memory:.0f} MiB", "", goal[1], goal[2])


def _summary(core: Any) -> dict[str, tuple[int, int]]:
    """CPU nanoseconds used so far and bytes of the working set, by pod and for all nodes."""
    found: dict[str, tuple[int, int]] = {}
    for node in core.list_node().items:
        answer = core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary", _preload_content=False)
        text = json.loads(answer.data)
        _add(found, "node", text["node"])
        for pod in text["pods"]:
            _add(found, f"{pod['podRef']['namespace']}/{pod['podRef']['name']}", pod)
    return found


def _add(found: dict[str, tuple[int, int]], name: str, part: dict[str, Any]) -> None:
    cpu, memory = found.get(name, (0, 0))
    used = part.get("cpu", {}).get("usageCoreNanoSeconds", 0), part.get("memory", {}).get("workingSetBytes", 0)
    found[name] = (cpu + int(used[0]), memory + int(used[1]))
