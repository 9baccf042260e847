"""What a job of the first training operator is as a TrainJob, and what of it has no counterpart there. Pure; asks no cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlstack.core.joblosses import (
    PATCHED,
    TRAINER,
    Hint,
    Hints,
    tell_differences,
    tell_left_over,
    tell_pods,
    tell_restart,
)
from mlstack.core.jobsv1 import Job, Role
from mlstack.core.model import Object
from mlstack.core.rendezvous import RESERVED, meeting, starts_torchrun

MANAGER = "mlstack.dev/migrate"
"""Who a TrainJob says has patched its runtime."""
NODE = "node"
"""The job and the container of a runtime in which the program runs."""
RUNTIMES = {"PyTorchJob": "torch-distributed", "TFJob": "plain", "XGBoostJob": "plain"}


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


def migrate(job: Job) -> Migrated:
    """The TrainJob that does what the job does, with hints for what it does not."""
    hints = Hints(job)
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


def _possible(job: Job, hints: Hints) -> bool:
    """Whether every pod of the job does the same: a TrainJob has one kind of node."""
    keep = "keep the job: addon `training-operator` runs it"
    if job.kind == "MPIJob":
        why = "a TrainJob of this kind needs a runtime with mlPolicy.mpi and images with OpenMPI and sshd; there is none here"
        remedy = (
            "keep it, as an MPIJob of kubeflow.org/v2beta1 with an image as the page of addon `mpi-operator` says, which runs it; "
            "or let the program meet over gloo"
        )
        hints.add(job.path, "an MPIJob is not translated", why, remedy)
        return False
    others = [role for role in job.roles if role.name in ("PS", "Evaluator")]
    for role in others:
        why = "every node of a TrainJob runs the same program; parameter servers and evaluators run beside it"
        remedy = f"let the workers exchange gradients themselves (MultiWorkerMirroredStrategy), or {keep}"
        hints.add(role.path, f"the role {role.name} has no counterpart", why, remedy)
    return not others


def _trainjob(job: Job, hints: Hints) -> Object:
    first = job.roles[0]
    for role in job.roles:
        tell_differences(first, role, hints)
        tell_restart(role, hints)
    if first.name in ("Chief", "Master") and job.kind == "TFJob":
        why = "the nodes of a TrainJob are workers, of which TensorFlow takes the first one for the chief"
        hints.add(
            first.path, f"the role {first.name} becomes the first worker", why, "nothing to do, unless it trains alone"
        )
    tell_left_over(job, hints)
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


def _trainer(job: Job, role: Role, hints: Hints) -> Object:
    container = role.container
    trainer: Object = {"numNodes": job.nodes} | {key: container[key] for key in TRAINER if container.get(key)}
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


def _processes(job: Job, role: Role, hints: Hints) -> Object:
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


def _patch(role: Role, hints: Hints) -> Object:
    """What pods of the runtime have to be like beside what the trainer says."""
    container = {key: role.container[key] for key in ("volumeMounts", "securityContext") if role.container.get(key)}
    spec: Object = {key: role.pod[key] for key in PATCHED if role.pod.get(key) is not None}
    spec |= {"containers": [{"name": NODE, **container}]} if container else {}
    metadata = _notes(role.template.get("metadata") or {})
    tell_pods(role, hints)
    return ({"metadata": metadata} if metadata else {}) | ({"spec": spec} if spec else {})
