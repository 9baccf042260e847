"""Time to ready against the critical path (goal P10), on an API server in this process whose readiness delays are known.

Thirty stacks with random requirements; each has a workload that becomes ready some tenths of a second after its apply.
The ideal is the longest chain of delays. The second figure is how long after the last needed readiness the next apply
reaches the server.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.measure import Results, Row

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "engine"))

STACKS = 30


def workload(name: str) -> dict[str, Any]:
    """A Deployment of one pod."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "x:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def graph(chance: random.Random) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Requirements and delays by stack."""
    names = [f"s{number}" for number in range(STACKS)]
    requires = {
        name: chance.sample(names[:index], min(index, chance.choice([0, 1, 1, 2]))) for index, name in enumerate(names)
    }
    return requires, {name: chance.uniform(0.1, 0.8) for name in names}


def ideal(requires: dict[str, list[str]], delays: dict[str, float]) -> float:
    """Seconds of the longest chain."""
    ends: dict[str, float] = {}
    for name, before in requires.items():
        ends[name] = delays[name] + max((ends[one] for one in before), default=0.0)
    return max(ends.values())


def once(seed: int) -> tuple[float, float, list[float]]:
    """Ideal seconds, measured seconds, and the latencies of the applies."""
    from fakeapi import FakeApi
    from world import World, stack

    requires, delays = graph(random.Random(seed))
    ready: dict[str, float] = {}
    arrived: dict[str, float] = {}

    class Timed(FakeApi):
        """Notes when a workload was applied and became ready."""

        def play_controller(self, key: Any) -> None:
            if key[1] == "deployments":
                arrived[key[3]] = time.monotonic()
                threading.Timer(delays[key[3]], self._settle, (key, "Deployment")).start()

        def _settle(self, key: Any, kind: str) -> None:
            super()._settle(key, kind)
            ready[key[3]] = time.monotonic()

    with tempfile.TemporaryDirectory() as name:
        server = Timed(Path(name))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
        stacks = [
            stack("base", namespace),
            *(stack(one, workload(one), requires=tuple(requires[one])) for one in requires),
        ]
        began = time.monotonic()
        _plan, report = World(server.kubeconfig, Path(name) / "state").up(*stacks)
        seconds = time.monotonic() - began
        server.stop()
    if not report.ok:
        raise SystemExit("the run failed")
    gaps = [arrived[one] - max(ready[before] for before in requires[one]) for one in requires if requires[one]]
    return ideal(requires, delays), seconds, gaps


def measure() -> Results:
    """Five random graphs."""
    results = Results("ready", "python -m bench ready")
    runs = [once(seed) for seed in range(5)]
    gaps = sorted(gap for run in runs for gap in run[2])
    worst = max(runs, key=lambda run: run[1] - 1.05 * run[0])
    over = statistics.median(run[1] / run[0] for run in runs)
    met = all(run[1] <= 1.05 * run[0] + 0.5 for run in runs)
    peer = f"critical path {worst[0]:.2f} s; median {over:.3f}x"
    what = f"{STACKS} stacks to ready, worst of {len(runs)} graphs"
    results.add(Row("P10", what, f"{worst[1]:.2f} s", peer, "1.05x + 0.5 s", met))
    late = gaps[int(len(gaps) * 0.95)] * 1000
    what = f"readiness to next request, p95 of {len(gaps)}"
    results.add(Row("P10", what, f"{late:.0f} ms", "", "100 ms", late <= 100))
    return results
