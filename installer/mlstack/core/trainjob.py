"""What a job of the first training operator is as a TrainJob, and what of it has no counterpart there. Pure; asks no cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.jobsv1 import FORMS, Job, Path, Role, difference
from mlstack.core.model import Object
from mlstack.core.rendezvous import RESERVED, meeting, starts_torchrun
from mlstack.core.yamldoc import dotted

MANAGER = "mlstack.dev/migrate"
"""Who a TrainJob says has patched its runtime."""
NODE = "node"
"""The job and the container of a runtime in which the program runs."""
RUNTIMES = {"PyTorchJob": "torch-distributed", "TFJob": "plain", "XGBoostJob": "plain"}
_PATCHED = (
    *("serviceAccountName", "volumes", "imagePullSecrets", "securityContext", "nodeSelector", "affinity", "tolerations"),
    *("schedulingGates", "terminationGracePeriodSeconds"),
)
_KNOWN_POD = (*_PATCHED, "containers", "restartPolicy")
_TRAINER = ("image", "command", "args")
_KNOWN_CONTAINER = (*_TRAINER, "name", "env", "resources", "ports", "volumeMounts", "securityContext", "imagePullPolicy")
_OWN_RUNTIME = "make a TrainingRuntime of your own with it (`kubectl get clustertrainingruntimes -o yaml` shows one) and name that"
_POLICY = {
    "ttlSecondsAfterFinished": ("when a finished job is deleted is the runtime's to say", _OWN_RUNTIME),
    "backoffLimit": ("how often a job is started anew is the runtime's to say: failurePolicy.maxRestarts", _OWN_RUNTIME),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """A job of old and what becomes of it. trainjob: None where a TrainJob cannot do what it does."""

    kind: str
    name: str
    namespace: str
    file: str
    line: int
    trainjob: Object | None
    hints: tuple[Hint, ...]


@dataclass(slots=True)
class _Hints:
    job: Job
    found: list[Hint] = field(default_factory=list)

    def add(self, path: Path, what: str, why: str, remedy: str) -> None:
        place = self.job.document.place_of(path)
        self.found.append(Hint(path=dotted(path), line=place.line, what=what, why=why, remedy=remedy))


def migrate(job: Job) -> Migrated:
    """The TrainJob that does what the job does, with hints for what it does not."""
    hints = _Hints(job)
    made = _trainjob(job, hints) if _possible(job, hints) else None
    place = job.document.place_of(job.path)
    return Migrated(
        kind=job.kind,
        name=job.name,
        namespace=str(job.metadata.get("namespace") or ""),
        file=place.file,
        line=place.line,
        trainjob=made,
        hints=tuple(sorted(hints.found, key=lambda hint: hint.line)),
    )


def _possible(job: Job, hints: _Hints) -> bool:
    """Whether every pod of the job does the same: a TrainJob has one kind of node."""
    keep = "keep the job: addon `training-operator` runs it"
    if job.kind == "MPIJob":
        why = "a TrainJob of this kind needs a runtime with mlPolicy.mpi and images with OpenMPI and sshd; there is none here"
        remedy = "make such a runtime and name it in a TrainJob with numNodes = workers; or let the program meet over gloo"
        hints.add(job.path, "an MPIJob is not translated", why, remedy)
        return False
    others = [role for role in job.roles if role.name in ("PS", "Evaluator")]
    for role in others:
        why = "every node of a TrainJob runs the same program; parameter servers and evaluators run beside it"
        remedy = f"let the workers exchange gradients themselves (MultiWorkerMirroredStrategy), or {keep}"
        hints.add(role.path, f"the role {role.name} has no counterpart", why, remedy)
    return not others


def _trainjob(job: Job, hints: _Hints) -> Object:
    first = job.roles[0]
    for role in job.roles:
        _alike(first, role, hints)
        _restart(role, hints)
    if first.name in ("Chief", "Master") and job.kind == "TFJob":
        why = "the nodes of a TrainJob are workers, of which TensorFlow takes the first one for the chief"
        hints.add(first.path, f"the role {first.name} becomes the first worker", why, "nothing to do, unless it trains alone")
    _left_over(job, hints)
    trainer = _trainer(job, first, hints)
    patch = _patch(first, hints)
    policy = job.spec.get("runPolicy") or {}
    spec: Object = {"runtimeRef": {"name": RUNTIMES[job.kind]}, "trainer": trainer}
    if patch:
        spec["runtimePatches"] = [{"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": _in_node(patch)}}}]
    spec |= {key: policy[key] for key in ("suspend", "activeDeadlineSeconds") if policy.get(key) is not None}
    metadata = {key: job.metadata[key] for key in ("name", "namespace") if job.metadata.get(key)}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": metadata | _notes(job.metadata),
        "spec": spec,
    }


def _notes(metadata: Mapping[str, Any]) -> Object:
    """Labels and annotations, without what kubectl keeps for itself."""
    found: Object = {}
    for key in ("labels", "annotations"):
        kept = {name: value for name, value in (metadata.get(key) or {}).items() if not name.startswith("kubectl.")}
        found |= {key: kept} if kept else {}
    return found


def _in_node(pod: Object) -> Object:
    return {"replicatedJobs": [{"name": NODE, "template": {"spec": {"template": pod}}}]}


def _alike(first: Role, role: Role, hints: _Hints) -> None:
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


def _restart(role: Role, hints: _Hints) -> None:
    if role.restart != "Never":
        path = (*role.path, "restartPolicy")
        why = "a program that fails ends a TrainJob here; a pod that the cluster took away is started again"
        what = f"pods of {role.name} would be restarted ({role.restart})"
        hints.add(path, what, why, _OWN_RUNTIME + "; there restartPolicy and failurePolicy say it")


def _left_over(job: Job, hints: _Hints) -> None:
    """What the job says about itself that a TrainJob does not."""
    base: Path = (*job.path, "spec")
    for key, value in (job.spec.get("runPolicy") or {}).items():
        path = (*base, "runPolicy", key)
        if key in _POLICY:
            hints.add(path, f"'{key}' has no counterpart", *_POLICY[key])
        elif key == "cleanPodPolicy" and value not in (None, "None"):
            hints.add(path, f"'{key}: {value}' has no counterpart", "pods stay until the TrainJob is deleted", "delete it")
        elif key not in ("cleanPodPolicy", "suspend", "activeDeadlineSeconds"):
            hints.add(path, f"'{key}' has no counterpart", "a TrainJob has no such field", "see whether you need it")
    for key in job.spec:
        if key == "elasticPolicy":
            why = "a TrainJob has the nodes that numNodes says for as long as it runs"
            hints.add((*base, key), "the job grows and shrinks", why, "choose a number of nodes; save checkpoints")
        elif key not in ("runPolicy", "nprocPerNode", FORMS[job.kind].replicas):
            hints.add((*base, key), f"'{key}' has no counterpart", "a TrainJob has no such field", "see whether you need it")


def _trainer(job: Job, role: Role, hints: _Hints) -> Object:
    container = role.container
    trainer: Object = {"numNodes": job.nodes} | {key: container[key] for key in _TRAINER if container.get(key)}
    if container.get("resources"):
        trainer["resourcesPerNode"] = container["resources"]
    if not container.get("command"):
        why = "without a command the runtime's is run, not the image's own"
        remedy = "write the image's ENTRYPOINT as spec.trainer.command"
        hints.add((*role.container_path, "command"), "the job runs what its image says", why, remedy)
    trainer |= _processes(job, role, hints)
    own = meeting(job)
    for index, one in enumerate(container.get("env") or []):
        if one["name"] in RESERVED and job.kind == "PyTorchJob":
            why = "the trainer sets it itself and refuses a job that does"
            hints.add((*role.container_path, "env", index), f"{one['name']} was left out", why, "nothing to do")
    names = {one["name"] for one in own} | RESERVED
    env = [one for one in container.get("env") or [] if one["name"] not in names] + own
    return trainer | ({"env": env} if env else {})


def _processes(job: Job, role: Role, hints: _Hints) -> Object:
    """How many processes a node runs."""
    wanted = str(job.spec.get("nprocPerNode") or "auto")
    if wanted.isdecimal() and int(wanted) > 0:
        return {"numProcPerNode": int(wanted)}
    if job.kind == "PyTorchJob" and starts_torchrun(role.container):
        path = (*job.path, "spec", "nprocPerNode")
        why = "torchrun starts one process for each GPU, or for each whole CPU that a node requests"
        remedy = "write spec.trainer.numProcPerNode if that is not what you want"
        hints.add(path, f"'{wanted}' processes for each node is not said the same way", why, remedy)
    return {}


def _patch(role: Role, hints: _Hints) -> Object:
    """What pods of the runtime have to be like beside what the trainer says."""
    container = {key: role.container[key] for key in ("volumeMounts", "securityContext") if role.container.get(key)}
    spec: Object = {key: role.pod[key] for key in _PATCHED if role.pod.get(key) is not None}
    spec |= {"containers": [{"name": NODE, **container}]} if container else {}
    metadata = _notes(role.template.get("metadata") or {})
    _without_place(role, hints)
    return ({"metadata": metadata} if metadata else {}) | ({"spec": spec} if spec else {})


def _without_place(role: Role, hints: _Hints) -> None:
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
        hints.add((*inner, "imagePullPolicy"), "the image is not asked for anew", why, "give a changed image another tag")
    own, shared = role.container.get("securityContext") or {}, role.pod.get("securityContext") or {}
    if "runAsUser" not in {**shared, **own} or not own.get("readOnlyRootFilesystem"):
        why = "the runtimes run programs as user 1000 on a read-only root with a writable /tmp (Pod Security level restricted)"
        remedy = "write below /tmp or into a volume; add a securityContext where the image needs another user"
        hints.add((*inner, "securityContext"), "the program is confined more than the job says", why, remedy)
