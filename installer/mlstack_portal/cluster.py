"""The cluster as the portal sees it: a protocol that the real client and the tests' fakes meet, and the kinds it reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from mlstack.core.model import Object


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects as the API serves it. group: ``v1`` or ``apps/v1``; plural: its name in paths."""

    group: str
    name: str
    plural: str

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of one object, of a namespace's objects, or of all."""
        root = f"/api/{self.group}" if "/" not in self.group else f"/apis/{self.group}"
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{place}/{self.plural}" + (f"/{name}" if name else "")


POD = Kind("v1", "Pod", "pods")
EVENT = Kind("v1", "Event", "events")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
REVIEW = Kind("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
WORKFLOW = Kind("argoproj.io/v1alpha1", "Workflow", "workflows")
WORKLOADS = (
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    Kind("batch/v1", "Job", "jobs"),
)
"""What a component is made of, as far as it can be ready or not."""
SERVERS = WORKLOADS[:2]
"""Those of them that have to run all the time, in a number that is wanted."""


class ClusterError(Exception):
    """The API server did not do what was asked. status: of HTTP, 0 when it did not answer; message: its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Cluster(Protocol):
    """Reads objects and creates runs. Everything raises ClusterError; objects carry their kind."""

    async def objects(
        self, kind: Kind, namespace: str = "", selector: str = "", fields: str = "", *, metadata_only: bool = False
    ) -> list[Object]:
        """The objects of a kind, of one namespace or of all; metadata_only: without spec and status, for long lists."""
        ...

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, None when it is not there."""
        ...

    async def create(self, kind: Kind, namespace: str, obj: Object) -> Object:
        """The object as the server made it."""
        ...

    def watch(self, kind: Kind, namespace: str, name: str, seconds: int) -> AsyncIterator[Object | None]:
        """One object now and after each change, None once it is deleted; ends after ``seconds``."""
        ...

    async def log(self, namespace: str, pod: str, container: str, tail: int) -> list[str]:
        """The last lines of a container's log; empty before it started and when the pod is gone."""
        ...
