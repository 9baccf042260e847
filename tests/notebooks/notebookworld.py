"""A cluster with notebooks in memory, and the settings that the stack writes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlstack_notebooks.site import Site, read_site
from mlstack_pod.kube import KubeError

Object = dict[str, Any]
SETTINGS: dict[str, Any] = {
    "namespace": "notebooks",
    "gateway": "istio-system/platform",
    "userHeader": "kubeflow-userid",
    "groupsHeader": "kubeflow-groups",
    "memoryLimit": "2Gi",
    "size": "5Gi",
    "idleMinutes": 60,
    "notebooks": {
        "bob": {"users": ["bob@lab"], "groups": []},
        "ann": {"users": ["ann@lab"], "groups": ["writers"]},
    },
}


def site(**more: Any) -> Site:
    return read_site(json.dumps({**SETTINGS, **more}))


def notebook(namespace: str, *, replicas: int = 1, ready: int = 1, name: str = "notebook") -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas},
        "status": {"readyReplicas": ready} if ready else {},
    }


@dataclass
class Memory:
    """objects: path -> object; changes: what watches give, one list each; applied and scaled: in order."""

    objects: dict[str, Object] = field(default_factory=dict)
    changes: list[list[tuple[str, Object]]] = field(default_factory=list)
    applied: list[Object] = field(default_factory=list)
    scaled: list[tuple[str, int]] = field(default_factory=list)
    broken: bool = False

    def get(self, path: str) -> Object | None:
        if self.broken:
            raise KubeError(0, "the API server does not answer: refused")
        return copy.deepcopy(self.objects.get(path.partition("?")[0]))

    def apply(self, path: str, obj: Object) -> None:
        self.applied.append(copy.deepcopy(obj))
        self.objects[path] = copy.deepcopy(obj)

    def scale(self, namespace: str, replicas: int) -> None:
        if self.broken:
            raise KubeError(403, "statefulsets/scale is forbidden")
        self.scaled.append((namespace, replicas))

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[tuple[str, Object]]:
        if not self.changes:
            raise KubeError(410, "too old resource version")
        yield from self.changes.pop(0)

    def put(self, *notebooks: Object) -> None:
        base = "apis/apps/v1"
        self.objects[f"{base}/statefulsets"] = {"metadata": {"resourceVersion": "7"}, "items": list(notebooks)}
        for one in notebooks:
            self.objects[f"{base}/namespaces/{one['metadata']['namespace']}/statefulsets/notebook"] = one
