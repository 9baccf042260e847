"""The existing provider: a cluster that somebody else made and keeps. It looks, and refuses to make, stop or delete."""

# ruff: noqa: ARG002 -- the port's methods name arguments that a provider which only looks has no use for

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Emit
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState, ImageRecord, Object
from mlstack.core.ports import Cancelled, Kube
from mlstack.core.readiness import says_ready
from mlstack.core.versions import satisfies
from mlstack.providers.awaken import Connect

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# What an installation writes: one verb and resource of each API group, since roles are given by group.
_RIGHTS = (
    ("create", "", "namespaces"),
    ("create", "", "secrets"),
    ("create", "apps", "deployments"),
    ("create", "coordination.k8s.io", "leases"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "apiextensions.k8s.io", "customresourcedefinitions"),
)


@dataclass(frozen=True)
class ExistingProvider:
    """ClusterProvider. config: the kubeconfig's path; context: empty for its current one, honoured by ``connect``.

    storage_class: the class volumes are to have, empty for the cluster's default; brings_class: whether the stacks install
    a default class of their own, so that the cluster needs none; versions: Kubernetes versions that the release was
    tested with.
    """

    config: Path
    context: str
    connect: Connect
    storage_class: str = ""
    brings_class: Callable[[], bool] = lambda: False
    versions: str = ">=1.32,<1.38"
    type: str = field(default="existing", init=False)

    def preflight(self, spec: ClusterSpec) -> Sequence[MlstackError]:
        """API, version, rights and storage class; everything that is wrong, as far as the API lets it be seen."""
        try:
            kube = self.connect(self.kubeconfig(spec))
        except MlstackError as error:
            return [_as_preflight(error)]
        try:
            version = kube.server_version()
            return [*self._version(version), *_rights(kube), *self._storage(kube)]
        except MlstackError as error:
            return [_as_preflight(error)]
        finally:
            kube.close()

    def observe(self, spec: ClusterSpec) -> ClusterFacts:
        """Nodes and the images their runtimes report. An API that does not answer is an absent cluster, with the reason."""
        try:
            kube = self.connect(self.kubeconfig(spec))
        except MlstackError as error:
            return ClusterFacts(ClusterState.ABSENT, _reason(error))
        try:
            nodes = _list(kube, "v1", "Node")
        except MlstackError as error:
            return ClusterFacts(ClusterState.ABSENT, _reason(error))
        finally:
            kube.close()
        ready = [node for node in nodes if says_ready(node)]
        detail = "" if len(ready) == len(nodes) else f"{len(nodes) - len(ready)} of {len(nodes)} nodes are not ready"
        return ClusterFacts(
            ClusterState.RUNNING if ready else ClusterState.BROKEN,
            detail,
            tuple(sorted(str(node["metadata"]["name"]) for node in nodes)),
            _images(nodes),
            str(nodes[0]["status"]["nodeInfo"]["architecture"]) if nodes else "amd64",
        )

    def create(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None:
        """Makes nothing: raises cluster.unreachable unless the cluster is there."""
        facts = self.observe(spec)
        if facts.state is not ClusterState.RUNNING:
            raise MlstackError(
                "cluster.unreachable",
                f"the cluster of {self.config} cannot be used",
                why=facts.detail,
                remedy="start it with the tool that keeps it, or use provider.type: kind to have one made",
                exit_code=ExitCode.PREFLIGHT,
            )

    def delete(self, spec: ClusterSpec, emit: Emit, step: str) -> None:
        """Always raises cluster.not-ours."""
        raise _not_ours("deleted", "`mlstack down` removes what mlstack installed in it and leaves the cluster")

    def purge(self) -> None:
        """Nothing is kept for a cluster that is not ours."""

    def start(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None:
        """Succeeds when the cluster runs; raises cluster.not-ours when it does not."""
        if self.observe(spec).state is not ClusterState.RUNNING:
            raise _not_ours("started", "start it with the tool that keeps it")

    def stop(self, spec: ClusterSpec, emit: Emit, step: str) -> None:
        """Always raises cluster.not-ours."""
        raise _not_ours("stopped", "stop it with the tool that keeps it")

    def kubeconfig(self, spec: ClusterSpec) -> Path:
        """The user's kubeconfig, only ever read. Raises kubeconfig.missing when it points nowhere."""
        if not self.config.is_file():
            raise MlstackError(
                "kubeconfig.missing",
                f"there is no kubeconfig at {self.config}",
                remedy="set provider.existing.kubeconfig or KUBECONFIG to one, or use provider.type: kind",
                exit_code=ExitCode.PREFLIGHT,
            )
        return self.config

    def load_image(self, spec: ClusterSpec, record: ImageRecord, emit: Emit, step: str) -> bool:
        """Loads nothing. False when a node reports the image already; raises image.not-loadable else."""
        if record.ref in self.observe(spec).images:
            return False
        raise MlstackError(
            "image.not-loadable",
            f"{record.ref} is not in the cluster, and mlstack cannot load images into nodes it did not make",
            why=f"its source here is '{record.source}'; the cluster's nodes pull images from registries themselves",
            remedy="push it to a registry the nodes reach and name that under artifacts.mirrors",
            exit_code=ExitCode.PREFLIGHT,
        )

    def _version(self, version: str) -> list[MlstackError]:
        if satisfies(version, self.versions):
            return []
        what = f"the cluster runs Kubernetes {version}; {self.versions} is supported"
        return [_problem("preflight.kubernetes-version", what, "use a cluster of a supported version")]

    def _storage(self, kube: Kube) -> list[MlstackError]:
        classes = _list(kube, "storage.k8s.io/v1", "StorageClass")
        names = [str(one["metadata"]["name"]) for one in classes]
        if self.storage_class:
            if self.storage_class in names:
                return []
            what = f"the cluster has no storage class '{self.storage_class}'; it has: {', '.join(names) or 'none'}"
            return [_problem("preflight.storage-class", what, "correct provider.existing.storageClass")]
        if any(map(is_default_class, classes)) or self.brings_class():
            return []
        what = f"the cluster has no default storage class; it has: {', '.join(names) or 'none'}"
        remedy = (
            "name one in provider.existing.storageClass, or set the stack parameter storage.provisioner to local-path"
        )
        return [_problem("preflight.storage-class", what, remedy)]


def is_default_class(storage_class: Object) -> bool:
    """Whether volumes that name no class get this one."""
    return (storage_class["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"


def _rights(kube: Kube) -> list[MlstackError]:
    """What the user of the kubeconfig may not do, as one problem."""
    missing = []
    for verb, group, resource in _RIGHTS:
        asked = {"verb": verb, "group": group, "resource": resource}
        answer = kube.review(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": asked},
            }
        )
        if not (answer.get("status") or {}).get("allowed"):
            missing.append(f"{verb} {resource}{f'.{group}' if group else ''}")
    if not missing:
        return []
    what = f"the kubeconfig's user may not: {', '.join(missing)}"
    return [_problem("preflight.permission", what, "use a kubeconfig of a cluster administrator")]


def _list(kube: Kube, api_version: str, kind: str) -> list[Object]:
    resource = kube.resource(api_version, kind)
    return kube.list(resource) if resource else []


def _images(nodes: Sequence[Object]) -> frozenset[str]:
    """Images that every node reports. Kubelets report the fifty largest only, so this may know too little, never too much."""
    sets = [
        {str(name) for image in node["status"].get("images") or () for name in image.get("names") or ()}
        for node in nodes
    ]
    return frozenset(set.intersection(*sets)) if sets else frozenset()


def _reason(error: MlstackError) -> str:
    return ": ".join(part for part in (error.what, error.why) if part)


def _problem(code: str, what: str, remedy: str) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, exit_code=ExitCode.PREFLIGHT)


def _as_preflight(error: MlstackError) -> MlstackError:
    return MlstackError(error.code, error.what, why=error.why, remedy=error.remedy, exit_code=ExitCode.PREFLIGHT)


def _not_ours(done: str, remedy: str) -> MlstackError:
    return MlstackError(
        "cluster.not-ours",
        f"mlstack did not make this cluster, so it is not {done}",
        remedy=remedy,
        exit_code=ExitCode.PREFLIGHT,
    )
