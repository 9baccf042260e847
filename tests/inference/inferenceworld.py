"""InferenceServices, pods and events as a cluster has them, and a cluster in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlstack_inference.model import PODS, SOURCE
from mlstack_pod.kube import GONE, KubeError

Object = dict[str, Any]


def service(name: str = "iris", namespace: str = "ann", *, ready: bool = True, **spec: Any) -> Object:
    """An InferenceService with a scikit-learn model; spec: fields instead of, and beside, its predictor."""
    predictor = {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": f"s3://models/{name}"}}
    state = "True" if ready else "False"
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"predictor": predictor, **spec},
        "status": {
            "deploymentMode": "Standard",
            "conditions": [{"type": kind, "status": state} for kind in ("PredictorReady", "Ready")],
        },
    }


def canary(name: str, percent: int, source: str = "") -> Object:
    model = {"model": {"storageUri": source}} if source else {}
    return {"predictor": {"name": name, **model}, "trafficPercent": percent}


def with_canaries(*canaries: tuple[Object, bool], **spec: Any) -> Object:
    one = service(canary=[each for each, _ in canaries], **spec)
    one["status"]["canaryStatuses"] = [{"name": each["predictor"]["name"], "ready": ready} for each, ready in canaries]
    return one


def pod(app: str = "iris-predictor", *, ready: bool = False, source: str = "s3://models/iris", **status: Any) -> Object:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, {"type": "PodScheduled", "status": "True"}]
    return {
        "metadata": {
            "name": f"{app}-7d9f",
            "namespace": "ann",
            "labels": {"app": f"isvc.{app}", PODS: "iris"},
            "annotations": {SOURCE: source},
        },
        "status": {"conditions": conditions, **status},
    }


def event(
    reason: str, message: str, kind: str = "ReplicaSet", name: str = "iris-predictor-7d9f", when: str = "1"
) -> Object:
    about = {"kind": kind, "namespace": "ann", "name": name}
    return {"type": "Warning", "reason": reason, "message": message, "involvedObject": about, "lastTimestamp": when}


@dataclass
class Memory:
    """A cluster in memory. lists: path -> objects; changes: what watches give, one list each; applied: in order."""

    lists: dict[str, list[Object]] = field(default_factory=dict)
    changes: list[list[tuple[str, Object]]] = field(default_factory=list)
    applied: list[Object] = field(default_factory=list)
    live: Object | None = None
    silent: int = 0
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> Object | None:
        self.asked.append(path)
        if self.silent:
            self.silent -= 1
            raise KubeError(0, "the API server does not answer: refused")
        if "virtualservices" in path:
            return self.live
        plain = path.partition("?")[0]
        if plain not in self.lists:
            return None
        return {"metadata": {"resourceVersion": "7"}, "items": copy.deepcopy(self.lists[plain])}

    def apply(self, path: str, obj: Object) -> Object:
        self.applied.append(copy.deepcopy(obj))
        self.live = copy.deepcopy(obj)
        return self.live

    def watch(self, path: str, version: str, seconds: int) -> Iterator[tuple[str, Object]]:
        self.asked.append(f"watch from {version}")
        if not self.changes:
            raise KubeError(GONE, "too old resource version")
        yield from self.changes.pop(0)
