"""Applying about 600 objects against kubectl on the running platform's real API server: P1, P4, P7 and P16.

Both sides are whole processes: ``mlstack up`` with the benchmark's catalogue, rendering and all, on the provider
``existing``; ``kubectl apply --server-side`` of the same objects. They take turns; medians.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes
import yaml

from bench.catalogue import write_catalogue, write_list
from bench.measure import Timed, mlstack, timed
from bench.objects import platform

INSTANCE = "bench"
WARM_ROUNDS = 7
GONE_WITHIN = 300.0


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

    def ours(self) -> tuple[Timed, int]:
        """A whole ``mlstack up`` and how many of its actions changed something."""
        run = mlstack("up", "--yes", "--json", "-f", str(self.config), env=self.environment)
        ends = [event for event in map(json.loads, run.out.splitlines()) if event["type"] == "RunFinished"]
        if ends[-1]["outcome"] != "ok":
            raise SystemExit(f"the run failed: {ends[-1]}")
        return run, int(ends[-1]["changed"])

    def theirs(self) -> Timed:
        """A whole kubectl."""
        argv = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "apply", "--server-side", "--force-conflicts"]
        return timed([*argv, "-f", str(self.work / "list.json")], {"HOME": str(self.work)})

    def clear(self) -> None:
        """Deletes everything of both sides and waits until it is gone, so that the next cold run is one."""
        api = kubernetes.config.new_client_from_config(str(self.kubeconfig))
        core, rbac = kubernetes.client.CoreV1Api(api), kubernetes.client.RbacAuthorizationV1Api(api)
        extensions = kubernetes.client.ApiextensionsV1Api(api)
        for name in (*self.objects, "mlstack-system"):
            _quietly(core.delete_namespace, name) if name != "mlstack-system" else None
        for objects in self.objects.values():
            for obj in objects:
                name = obj["metadata"]["name"]
                if obj["kind"] == "ClusterRole":
                    _quietly(rbac.delete_cluster_role, name)
                elif obj["kind"] == "ClusterRoleBinding":
                    _quietly(rbac.delete_cluster_role_binding, name)
                elif obj["kind"] == "CustomResourceDefinition":
                    _quietly(extensions.delete_custom_resource_definition, name)
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
