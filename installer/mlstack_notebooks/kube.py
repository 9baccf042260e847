"""What is asked of the cluster's API server about notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from mlstack_pod import kube
from mlstack_pod.kube import Object

MANAGER = "mlstack-notebooks"
"""Field manager of what is written."""
STATEFUL = "apis/apps/v1"


class Cluster(Protocol):
    """What the rest needs of a cluster. Every method raises KubeError."""

    def get(self, path: str) -> Object | None:
        """An object, or a list; None where there is none."""

    def apply(self, path: str, obj: Object) -> object:
        """Server-side applies an object."""

    def scale(self, namespace: str, replicas: int) -> None:
        """Sets how many pods a namespace's notebook has."""

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[tuple[str, Object]]:
        """Type and object of each change, for so many seconds."""


class Kube(kube.Kube):
    """The ``Cluster`` of the pod that this runs in."""

    def __init__(self, url: str = "https://kubernetes.default.svc", account: Path = kube.ACCOUNT) -> None:
        """As ``mlstack_pod.kube.Kube`` says."""
        super().__init__(MANAGER, url, account)

    def scale(self, namespace: str, replicas: int) -> None:
        """As the protocol says."""
        self.merge(f"{STATEFUL}/namespaces/{namespace}/statefulsets/notebook/scale", {"spec": {"replicas": replicas}})

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[tuple[str, Object]]:
        """As the protocol says."""
        return self.events(path, query, seconds)
