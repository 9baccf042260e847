"""What of a job of the first training operator a TrainJob does not say: for people, each with its place. Pure; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlstack.core.jobsv1 import FORMS, Job, Path, Role, difference
from mlstack.core.yamldoc import dotted

PATCHED = (
    "serviceAccountName",
    "volumes",
    "imagePullSecrets",
    "securityContext",
    "nodeSelector",
    "affinity",
    "tolerations",
    "schedulingGates",
    "terminationGracePeriodSeconds",
)
"""What a patch of a runtime's pods can say."""
TRAINER = ("image", "command", "args")
"""What a TrainJob says about its container, under the same names."""
_KNOWN_POD = (*PATCHED, "containers", "restartPolicy")
_KNOWN_CONTAINER = (
    *TRAINER,
    "name",
    "env",
    "resources",
    "ports",
    "volumeMounts",
    "securityContext",
    "imagePullPolicy",
)
_OWN_RUNTIME = (
    "make a TrainingRuntime of your own with it (`kubectl get clustertrainingruntimes -o yaml` shows one) and name that"
)
_POLICY = {
    "ttlSecondsAfterFinished": ("when a finished job is deleted is the runtime's to say", _OWN_RUNTIME),
    "backoffLimit": (
        "how often a job is started anew is the runtime's to say: failurePolicy.maxRestarts",
        _OWN_RUNTIME,
    ),
    "schedulingPolicy": ("pods that start together are the runtime's to ask for: podGroupPolicy", _OWN_RUNTIME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something of a job without a counterpart. path, line: where it is; what, why, remedy: for people."""

    path: str
    line: int
    what: str
    why: str
    remedy: str


@dataclass(slots=True)
class Hints:
    """Collects them for one job."""

    job: Job
    found: list[Hint] = field(default_factory=list)

    def add(self, path: Path, what: str, why: str, remedy: str) -> None:
        """Notes something at its place, or at the nearest one above it that is there."""
        place = self.job.document.place_of(path)
        self.found.append(Hint(path=dotted(path), line=place.line, what=what, why=why, remedy=remedy))


def tell_differences(first: Role, role: Role, hints: Hints) -> None:
    """Every node is made like the first one."""
    if role is first:
        return
    left_out = ("name", "ports")
    fields = [(role.container_path, key) for key in difference(first.container, role.container, left_out)]
    fields += [(role.pod_path, key) for key in difference(first.pod, role.pod, ("containers", "restartPolicy"))]
    for path, key in fields:
        why = f"every node of a TrainJob is made alike, here as those of {first.name}"
        remedy = "let the program look which node it is (JOB_COMPLETION_INDEX, 0 is the first), or make both alike"
        hints.add((*path, key), f"'{key}' differs from that of {first.name}, which was taken", why, remedy)


def tell_restart(role: Role, hints: Hints) -> None:
    """What would happen to its pods that fail."""
    if role.restart != "Never":
        path = (*role.path, "restartPolicy")
        why = "a program that fails ends a TrainJob here; a pod that the cluster took away is started again"
        what = f"pods of {role.name} would be restarted ({role.restart})"
        hints.add(path, what, why, _OWN_RUNTIME + "; there restartPolicy and failurePolicy say it")


def tell_left_over(job: Job, hints: Hints) -> None:
    """What the job says about itself that a TrainJob does not."""
    base: Path = (*job.path, "spec")
    for key, value in (job.spec.get("runPolicy") or {}).items():
        path = (*base, "runPolicy", key)
        if key in _POLICY:
            hints.add(path, f"'{key}' has no counterpart", *_POLICY[key])
        elif key == "cleanPodPolicy" and value not in (None, "None"):
            hints.add(
                path, f"'{key}: {value}' has no counterpart", "pods stay until the TrainJob is deleted", "delete it"
            )
        elif key not in ("cleanPodPolicy", "suspend", "activeDeadlineSeconds"):
            hints.add(path, f"'{key}' has no counterpart", "a TrainJob has no such field", "see whether you need it")
    for key in job.spec:
        if key == "elasticPolicy":
            why = "a TrainJob has the nodes that numNodes says for as long as it runs"
            hints.add((*base, key), "the job grows and shrinks", why, "choose a number of nodes; save checkpoints")
        elif key not in ("runPolicy", "nprocPerNode", FORMS[job.kind].replicas):
            hints.add(
                (*base, key), f"'{key}' has no counterpart", "a TrainJob has no such field", "see whether you need it"
            )


def tell_pods(role: Role, hints: Hints) -> None:
    """What its pods are beside what can be said of them."""
    path, inner = role.pod_path, role.container_path
    for index, other in enumerate(role.pod["containers"]):
        if index != role.number:
            name = other.get("name", index) if isinstance(other, dict) else index
            why = "a TrainJob tells about the container that trains; others are the runtime's"
            hints.add((*path, "containers", index), f"container '{name}' was left out", why, _OWN_RUNTIME)
    for key in (one for one in role.pod if one not in _KNOWN_POD):
        hints.add((*path, key), f"'{key}' was left out", "a TrainJob cannot say it; its runtime can", _OWN_RUNTIME)
    for key in (one for one in role.container if one not in _KNOWN_CONTAINER):
        hints.add((*inner, key), f"'{key}' was left out", "a TrainJob cannot say it; its runtime can", _OWN_RUNTIME)
    if role.container.get("imagePullPolicy", "IfNotPresent") != "IfNotPresent":
        why = "the runtimes take an image that the node has (IfNotPresent)"
        hints.add(
            (*inner, "imagePullPolicy"), "the image is not asked for anew", why, "give a changed image another tag"
        )
    own, shared = role.container.get("securityContext") or {}, role.pod.get("securityContext") or {}
    if "runAsUser" not in {**shared, **own} or not own.get("readOnlyRootFilesystem"):
        why = "the runtimes run programs as user 1000 on a read-only root with a writable /tmp (Pod Security level restricted)"
        remedy = "write below /tmp or into a volume; add a securityContext where the image needs another user"
        hints.add((*inner, "securityContext"), "the program is confined more than the job says", why, remedy)
