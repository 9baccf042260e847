"""What is asked of the cluster's API server about models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from mlstack_inference.model import Object
from mlstack_pod import kube

MANAGER = "mlstack-inference"
"""Field manager of what is written."""
SERVICES = "apis/serving.kserve.io/v1beta1"


class Cluster(Protocol):
    """What the rest needs of a cluster. Every method raises KubeError."""

    def get(self, path: str) -> Object | None:
        """An object, or a list; None where there is none."""

    def apply(self, path: str, obj: Object) -> Object:
        """Server-side applies an object; gives what it became."""

    def watch(self, path: str, version: str, seconds: int) -> Iterator[tuple[str, Object]]:
        """Type and object of each change after ``version``, for so many seconds."""


class Kube(kube.Kube):
    """The ``Cluster`` of the pod that this runs in."""

    def __init__(self, url: str = "https://kubernetes.default.svc", account: Path = kube.ACCOUNT) -> None:
        """As ``mlstack_pod.kube.Kube`` says."""
        super().__init__(MANAGER, url, account)

    def watch(self, path: str, version: str, seconds: int) -> Iterator[tuple[str, Object]]:
        """As the protocol says; with status GONE when ``version`` is too old."""
        return self.events(path, {"resourceVersion": version, "allowWatchBookmarks": "true"}, seconds)
