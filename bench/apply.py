"""Applying about 600 objects against kubectl on a real API server: goals P1 (no-op), P4 (cold), P7 (one changed), P16 (memory).

Each figure is that of a whole process, run alternately with `kubectl apply --server-side` of the same objects; medians.
Rendering is not in it (goal P8 is): the objects come ready-made from a file for both.
Programs (etcd, kube-apiserver, kube-controller-manager, kubectl) are found in MLSTACK_TEST_BIN, then PATH.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = "bench"
SETTLE = 5.0
"""Seconds a fresh API server gets to end what it does after its start, so that neither side pays for it."""
Objects = list[dict[str, Any]]


def platform(stacks: int = 10) -> dict[str, Objects]:
    """About 600 objects in ten stacks with the mix of kinds a platform has; workloads have no replicas, so no node is needed."""
    return {f"stack-{number}": list(_stack(f"stack-{number}", number)) for number in range(stacks)}


def _stack(name: str, number: int) -> Iterator[dict[str, Any]]:
    labels = {"mlstack.dev/instance": INSTANCE, "mlstack.dev/stack": name}

    def one(api: str, kind: str, called: str, body: dict[str, Any], namespace: str = name) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": called, "labels": dict(labels)}
        metadata |= {"namespace": namespace} if namespace else {}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}

    yield one("v1", "Namespace", name, {}, "")
    for index in range(3):
        yield _crd(one, number, index)
    for index in range(4):
        called = f"part-{index}"
        yield one("v1", "ServiceAccount", called, {})
        rules = [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list", "watch"]}]
        yield one("rbac.authorization.k8s.io/v1", "Role", called, {"rules": rules})
        yield one("rbac.authorization.k8s.io/v1", "ClusterRole", f"{name}-{called}", {"rules": rules}, "")
        subjects = [{"kind": "ServiceAccount", "name": called, "namespace": name}]
        for kind, role, namespace in (("RoleBinding", "Role", name), ("ClusterRoleBinding", "ClusterRole", "")):
            title = called if namespace else f"{name}-{called}"
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": title}
            yield one(
                "rbac.authorization.k8s.io/v1", kind, title, {"roleRef": reference, "subjects": subjects}, namespace
            )
        yield one(
            "v1", "Service", called, {"spec": {"selector": {"app": called}, "ports": [{"name": "http", "port": 80}]}}
        )
        yield one("apps/v1", "Deployment", called, {"spec": _deployment(called)})
        yield one(
            "networking.k8s.io/v1", "NetworkPolicy", called, {"spec": {"podSelector": {"matchLabels": {"app": called}}}}
        )
        yield one(
            "policy/v1",
            "PodDisruptionBudget",
            called,
            {"spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": called}}}},
        )
    for index in range(16):
        yield one(
            "v1",
            "ConfigMap",
            f"config-{index}",
            {"data": {f"key-{line}": f"value {line} of {name}" * 4 for line in range(20)}},
        )
    for index in range(4):
        yield one("v1", "Secret", f"secret-{index}", {"data": {"note": _encoded(f"constant test value {index}")}})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _crd(one: Any, number: int, index: int) -> dict[str, Any]:
    plural, kind, group = f"things{index}", f"Thing{index}", f"g{number}.bench.example"
    fields = {f"field{line}": {"type": "string", "description": "what this field is for " * 8} for line in range(120)}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    body = {"spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}}
    found: dict[str, Any] = one("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", body, "")
    return found


def _deployment(called: str) -> dict[str, Any]:
    env = [{"name": f"VARIABLE_{line}", "value": f"value {line}"} for line in range(12)]
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    probe = {"httpGet": {"path": "/healthz", "port": 80}}
    volumes = [{"name": "config", "configMap": {"name": "config-0"}}]
    container = {
        "name": "main",
        "image": "quay.io/example/part:v1",
        "env": env,
        "resources": resources,
        "readinessProbe": probe,
    }
    container |= {"volumeMounts": [{"name": "config", "mountPath": "/config"}]}
    spec = {"serviceAccountName": called, "containers": [container], "volumes": volumes}
    template = {"metadata": {"labels": {"app": called}}, "spec": spec}
    return {"replicas": 0, "selector": {"matchLabels": {"app": called}}, "template": template}


def child(objects: Path, kubeconfig: Path, state: Path) -> None:
    """The process under test: lock, observe, plan, run. Prints what it did as JSON."""
    begun = time.perf_counter()
    from mlstack.adapters.kube import KubeClient
    from mlstack.core.actions import Apply
    from mlstack.core.desired import Facts, HostFacts, RenderedStack, Wanted
    from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState
    from mlstack.core.plan import Abilities, plan_up
    from mlstack.engine.access import ClusterAccess
    from mlstack.engine.context import Ports
    from mlstack.engine.durations import Durations
    from mlstack.engine.inventory import read_inventories
    from mlstack.engine.journal import FileJournal
    from mlstack.engine.lock import HostLock, identity
    from mlstack.engine.observe import observe_objects
    from mlstack.engine.run import Runner

    imported = time.perf_counter()
    rendered = json.loads(objects.read_text())
    stacks = tuple(RenderedStack(name, "1", name, tuple(parts)) for name, parts in rendered.items())
    spec = ClusterSpec(INSTANCE, "1.36")
    clients: list[KubeClient] = []

    def factory() -> KubeClient:
        clients.append(KubeClient(kubeconfig))
        return clients[-1]

    with HostLock(state, "up"):
        access = ClusterAccess(factory, INSTANCE, identity(state, "up"))
        try:
            kube = access.writer()
            inventories = read_inventories(kube, INSTANCE)
            live = observe_objects(kube, INSTANCE, stacks, inventories)
            observed = time.perf_counter()
            facts = Facts(HostFacts("20"), ClusterFacts(ClusterState.RUNNING), live=live, inventory=inventories)
            plan = plan_up(Wanted(spec, stacks), facts, Abilities(False, False))
            planned = time.perf_counter()
            ports: Any = Ports(*([None] * 6))  # type: ignore[list-item]
            report = Runner(
                spec=spec,
                access=access,
                ports=ports,
                journal=FileJournal(state / "journal"),
                durations=Durations(state / "durations.json"),
                emit=lambda _event: None,
                inventories=inventories,
            ).run(plan)
        finally:
            access.close()
    done = time.perf_counter()
    failed = [outcome.error for outcome in report.outcomes if outcome.error]
    print(
        json.dumps(
            {
                "ok": report.ok,
                "applied": sum(isinstance(action, Apply) for action in plan.actions),
                "unchanged": len(plan.unchanged),
                "requests": sum(client.requests for client in clients),
                "kinds": len({(obj["apiVersion"], obj["kind"]) for parts in rendered.values() for obj in parts}),
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "cpu": time.process_time(),
                "import": imported - begun,
                "observe": observed - imported,
                "plan": planned - observed,
                "run": done - planned,
                "failed": failed[:1],
            }
        )
    )


class Bench:
    """The measurements on one API server."""

    def __init__(self, api: Any, work: Path, kubectl: Path) -> None:
        self.api, self.work, self.kubectl = api, work, kubectl
        self.objects = work / "objects.json"
        self.lines: list[str] = []

    def write(self, objects: dict[str, Objects]) -> None:
        """The same objects for both sides, in an order kubectl can apply."""
        self.objects.write_text(json.dumps(objects))
        flat = [obj for parts in objects.values() for obj in parts]
        flat.sort(key=lambda obj: {"Namespace": 0, "CustomResourceDefinition": 1}.get(obj["kind"], 2))
        (self.work / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": flat}))

    def ours(self) -> tuple[float, dict[str, Any]]:
        """Seconds of the whole process and what it said."""
        argv = [
            sys.executable,
            __file__,
            "--child",
            str(self.objects),
            str(self.api.kubeconfig),
            str(self.work / "state"),
        ]
        begun = time.perf_counter()
        run = subprocess.run(
            argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "installer")}
        )
        seconds = time.perf_counter() - begun
        if run.returncode != 0:
            raise SystemExit(run.stderr)
        said: dict[str, Any] = json.loads(run.stdout)
        if not said["ok"]:
            raise SystemExit(f"the run failed: {said}")
        return seconds, said

    def theirs(self) -> float:
        """Seconds of kubectl."""
        argv = [str(self.kubectl), f"--kubeconfig={self.api.kubeconfig}", "apply", "--server-side", "--force-conflicts"]
        argv += ["-f", str(self.work / "list.json")]
        begun = time.perf_counter()
        run = subprocess.run(
            argv, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(self.work)}
        )
        if run.returncode != 0:
            raise SystemExit(run.stderr[-2000:])
        return time.perf_counter() - begun

    def row(self, goal: str, what: str, ours: float, theirs: float, target: str, note: str = "") -> None:
        """Prints one line of the table."""
        self.lines.append(
            f"| {goal} | {what} | {ours:.2f} s | {theirs:.2f} s | {ours / theirs:.3f} | {target} | {note} |"
        )


def measure(api_class: Any, kubectl: Path, rounds: int) -> list[str]:
    """All figures, each side on its own fresh API server for the cold ones, alternated."""
    cold_ours, cold_theirs = [], []
    lines: list[str] = []
    objects = platform()
    count = sum(map(len, objects.values()))
    for number in range(rounds):
        for side in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            with tempfile.TemporaryDirectory(prefix="mlstack-bench-") as name:
                bench = Bench(_started(api_class, Path(name)), Path(name), kubectl)
                try:
                    bench.write(objects)
                    if side == "theirs":
                        cold_theirs.append(bench.theirs())
                        continue
                    seconds, said = bench.ours()
                    cold_ours.append(seconds)
                    if number == rounds - 1 or rounds == 1:
                        lines = _warm(bench, objects, rounds)
                        memory = said["memory"]
                finally:
                    bench.api.stop()
    ours, theirs = statistics.median(cold_ours), statistics.median(cold_theirs)
    figures = f"{ours:.2f} s | {theirs:.2f} s | {ours / theirs:.3f}"
    first = f"| P4 | cold apply of {count} objects | {figures} | <= 0.60 | median of {rounds} |"
    return [first, *lines, f"| P16 | peak memory of the cold run | {memory:.0f} MB | | | <= 120 MB | |"]


def _started(api_class: Any, directory: Path) -> Any:
    api = api_class(directory).start()
    api.start_controllers("deployment-controller", "replicaset-controller")
    time.sleep(SETTLE)
    return api


def _warm(bench: Bench, objects: dict[str, Objects], rounds: int) -> list[str]:
    bench.theirs()  # its first run takes the ownership of the fields; the second is the no-op
    bench.ours()
    noop, theirs, said = [], [], {}
    for _ in range(max(5, rounds)):
        seconds, said = bench.ours()
        if said["applied"] or said["unchanged"] < 500:
            raise SystemExit(f"the no-op changed something: {said}")
        noop.append(seconds)
        theirs.append(bench.theirs())
    ours = statistics.median(noop)
    parts = ", ".join(f"{key} {said[key]:.2f}" for key in ("import", "observe", "plan", "run", "cpu"))
    note = f"{said['requests']} requests, {said['kinds']} kinds; {parts}"
    bench.row("P1", "no-op", ours, statistics.median(theirs), "<= 0.06", note)
    changed = []
    for number in range(max(5, rounds)):
        objects["stack-3"][-1]["data"]["note"] = _encoded(f"changed {number}")
        bench.write(objects)
        changed.append(bench.ours()[0])
    median = statistics.median(changed)
    bench.lines.append(
        f"| P7 | one changed object | {median:.2f} s | {ours:.2f} s (no-op) | {median / ours:.3f} | <= 1.3 | |"
    )
    return bench.lines


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=3, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    sys.path.insert(0, str(ROOT / "tests" / "engine"))
    from apiserver import ApiServer, missing, program

    kubectl, absent = program("kubectl"), missing()
    if absent or kubectl is None or program("kube-controller-manager") is None:
        raise SystemExit(
            f"not found in MLSTACK_TEST_BIN or PATH: {', '.join(absent) or 'kubectl or kube-controller-manager'}"
        )
    print("| goal | what | mlstack | kubectl | ratio | target | notes |\n|---|---|---|---|---|---|---|")
    print("\n".join(measure(ApiServer, kubectl, arguments.rounds)))


if __name__ == "__main__":
    main()
