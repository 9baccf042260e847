"""Applying about 650 objects against kubectl on the running platform's real API server: P1, P4, P7 and P16.

Both sides are whole processes: ``mlstack up`` with the benchmark's catalogue, rendering and all, on the provider
``existing``; ``kubectl apply --server-side`` of the same objects, repeated as its users do until it succeeds. They take
turns; medians.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes
import yaml

from bench.catalogue import write_catalogue, write_list, write_stack
from bench.measure import Results, Row, Timed, mlstack, timed
from bench.objects import encoded, platform

INSTANCE = "bench"
WARM_ROUNDS = 7
USUAL_WAY = ("--verbose",)
"""Makes ``up`` look at everything in the usual way, also where its record says that nothing has changed."""
GONE_WITHIN = 300.0
QUIET = 40.0
"""Seconds before each cold run: the server's garbage collector and quota look at vanished kinds every 30 s, which is work that
the side before has caused."""
PASSES = 5
"""Of kubectl, at most."""


class Bench:
    """The two sides on one API server. kubeconfig: of the platform; kubectl: the program of its own version."""

    def __init__(self, work: Path, kubeconfig: Path, kubectl: Path) -> None:
        self.work, self.kubeconfig, self.kubectl = work, kubeconfig, kubectl
        self.objects = platform()
        self.data = work / "data"
        self.config = work / "bench.yaml"
        existing = {"type": "existing", "existing": {"kubeconfig": str(kubeconfig)}}
        document = {"apiVersion": "mlstack/v1alpha1", "kind": "Config", "name": INSTANCE, "provider": existing}
        self.config.write_text(yaml.safe_dump(document))
        write_catalogue(self.data, self.objects)
        write_list(work / "list.json", self.objects)
        self.environment = {
            "MLSTACK_DATA_DIR": str(self.data),
            "MLSTACK_CACHE_DIR": str(work / "cache"),
            "MLSTACK_STATE_DIR": str(work / "state"),
        }

    @property
    def count(self) -> int:
        """How many objects there are, namespaces included."""
        return len(self.objects) + sum(map(len, self.objects.values()))

    def ours(self, *flags: str) -> tuple[Timed, int]:
        """A whole ``mlstack up`` and how many of its actions changed something."""
        run, events = self._up(*flags)
        end = next(one for one in reversed(events) if one["type"] == "RunFinished")
        if end["outcome"] != "ok":
            raise SystemExit(f"the run failed: {end}")
        return run, int(end["changed"])

    def ours_cold(self) -> tuple[Timed, float]:
        """A whole ``mlstack up`` and the seconds from its start until the server had taken the last object."""
        begun = time.time()
        run, events = self._up()
        applied = [one["time"] for one in events if one["type"] == "StepDone" and one["step"].startswith("apply:")]
        if len(applied) != self.count:
            raise SystemExit(f"{len(applied)} of {self.count} objects were applied")
        return run, max(applied) - begun

    def _up(self, *flags: str) -> tuple[Timed, list[dict[str, Any]]]:
        run = mlstack("up", "--yes", "--json", "-f", str(self.config), *flags, env=self.environment)
        return run, [json.loads(line) for line in run.out.splitlines()]

    def theirs(self, may_fail: bool = False) -> Timed:
        """A whole kubectl."""
        argv = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "apply", "--server-side", "--force-conflicts"]
        return timed([*argv, "-f", str(self.work / "list.json")], {"HOME": str(self.work)}, may_fail=may_fail)

    def theirs_cold(self) -> list[Timed]:
        """As many whole kubectls as it takes: one knows no kind that is defined by the same list. What it remembers of rounds
        before is taken away: to a first apply every kind is new."""
        shutil.rmtree(self.work / ".kube", ignore_errors=True)
        passes: list[Timed] = []
        while not passes or passes[-1].code:
            if len(passes) == PASSES:
                raise SystemExit(f"kubectl still fails after {PASSES} passes")
            passes.append(self.theirs(may_fail=True))
        return passes

    def clear_ours(self) -> None:
        """Takes our side away, so that the next run is a cold one."""
        mlstack("down", "--purge", "--yes", "-f", str(self.config), env=self.environment)

    def clear_theirs(self) -> None:
        """Deletes what kubectl applied and waits until it is gone."""
        api = kubernetes.config.new_client_from_config(str(self.kubeconfig))
        core, rbac = kubernetes.client.CoreV1Api(api), kubernetes.client.RbacAuthorizationV1Api(api)
        delete = {
            "ClusterRole": rbac.delete_cluster_role,
            "ClusterRoleBinding": rbac.delete_cluster_role_binding,
            "CustomResourceDefinition": kubernetes.client.ApiextensionsV1Api(api).delete_custom_resource_definition,
        }
        for name in self.objects:
            _quietly(core.delete_namespace, name)
        for obj in chain.from_iterable(self.objects.values()):
            if obj["kind"] in delete:
                _quietly(delete[obj["kind"]], obj["metadata"]["name"])
        _await_gone(core, set(self.objects))


def _quietly(delete: Any, name: str) -> None:
    try:
        delete(name)
    except kubernetes.client.ApiException as error:
        if error.status != 404:
            raise


def _await_gone(core: Any, names: set[str]) -> None:
    left = {one.metadata.name for one in core.list_namespace().items} & names
    if not left:
        return
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespace, timeout_seconds=int(GONE_WITHIN)):
        if event["type"] == "DELETED":
            left.discard(event["object"].metadata.name)
        if not left:
            return
    raise SystemExit(f"namespaces do not go: {', '.join(sorted(left))}")


def measure(kubeconfig: Path, kubectl: Path, rounds: int) -> Results:
    """All figures of this part."""
    results = Results("apply", "python -m bench apply")
    with tempfile.TemporaryDirectory(prefix="mlstack-bench-") as name:
        bench = Bench(Path(name), kubeconfig, kubectl)
        try:
            _cold(bench, results, rounds)
            _warm(bench, results)
        finally:
            bench.clear_ours()
    return results


def _cold(bench: Bench, results: Results, rounds: int) -> None:
    ours: list[Timed] = []
    theirs: list[list[Timed]] = []
    sent: list[float] = []
    for number in range(rounds):
        for side in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            time.sleep(QUIET)
            if side == "ours":
                run, seconds = bench.ours_cold()
                ours.append(run)
                sent.append(seconds)
                bench.clear_ours()
            else:
                theirs.append(bench.theirs_cold())
                bench.clear_theirs()
    _add_cold(bench, results, statistics.median(sent), theirs)
    note = "kubectl does not wait for that"
    results.add(Row("", "the same, until all is ready", f"{_median(ours):.2f} s", note=note))
    memory = max(run.memory for run in ours) / 2**20
    results.add(Row("P16", "peak memory of that `up`", f"{memory:.0f} MB", "", "120 MB", memory <= 120))


def _add_cold(bench: Bench, results: Results, seconds: float, theirs: list[list[Timed]]) -> None:
    whole = statistics.median(sum(run.seconds for run in passes) for passes in theirs)
    first = _median([passes[0] for passes in theirs])
    what = f"cold apply of {bench.count} objects, until the last one is taken"
    note = (
        f"{statistics.median(map(len, theirs)):.0f} passes of kubectl: the first ends with an error, for it knows no kind "
        f"that the same list defines; against that one alone, {first:.2f} s: {seconds / first:.3f}x"
    )
    results.add(_against("P4", what, seconds, whole, 0.6, note))


def _warm(bench: Bench, results: Results) -> None:
    bench.ours()
    bench.theirs()  # its first run takes the ownership of the fields; the next ones change nothing
    bench.ours()
    ours, theirs, usual = [], [], []
    for _ in range(WARM_ROUNDS):
        for runs, flags in ((usual, USUAL_WAY), (ours, ())):
            run, changed = bench.ours(*flags)
            if changed:
                raise SystemExit(f"the no-op changed {changed} things")
            runs.append(run)
        theirs.append(bench.theirs())
    note = f"median of {len(ours)}; {statistics.median(run.cpu for run in ours):.2f} s CPU of our process"
    results.add(
        _against(
            "P1", f"second `up`, {bench.count} objects, nothing changes", _median(ours), _median(theirs), 0.06, note
        )
    )
    changed_runs = []
    for number in range(WARM_ROUNDS):
        objects = bench.objects["bench-3"]
        objects[-1]["data"]["note"] = encoded(f"changed {number}")
        write_stack(bench.data, "bench-3", objects)
        run, changed = bench.ours()
        if not changed:
            raise SystemExit("the changed object was not noticed")
        changed_runs.append(run)
    ratio = _median(changed_runs) / _median(ours)
    what = f"{_median(changed_runs):.2f} s"
    peer = f"no-op {_median(ours):.2f} s: {ratio:.2f}x"
    note = f"a no-op without the record of decision 18: {_median(usual):.2f} s, {_median(changed_runs) / _median(usual):.2f}x"
    results.add(Row("P7", "one changed object", what, peer, "1.3x", ratio <= 1.3, note))


def _median(runs: list[Timed]) -> float:
    return statistics.median(run.seconds for run in runs)


def _against(goal: str, what: str, mine: float, theirs: float, target: float, note: str = "") -> Row:
    ratio = mine / theirs
    peer = f"kubectl {theirs:.2f} s: {ratio:.3f}x"
    return Row(goal, what, f"{mine:.2f} s", peer, f"{target:.2f}x", ratio <= target, note)


def kubectl_of(container: str, target: Path) -> Path:
    """The node's own kubectl, copied to the host."""
    subprocess.run(["docker", "cp", f"{container}:/usr/bin/kubectl", str(target)], check=True, capture_output=True)
    return target
