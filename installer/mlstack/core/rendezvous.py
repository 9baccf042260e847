"""How a job's programs find each other: the variables that the first training operator gave them, for nodes of a TrainJob. Pure.

A TrainJob's nodes are called ``<job>-node-0-<index>.<job>``; the index is an annotation of the pod.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlstack.core.jobsv1 import FORMS, Job
from mlstack.core.model import Object

RESERVED = frozenset({"PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"})
"""Variables of torchrun, which the trainer sets."""
_INDEX: Object = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
_STARTERS = ("torchrun", "torch.distributed.run", "torch.distributed.launch")


def starts_torchrun(container: Mapping[str, Any]) -> bool:
    """Whether its command starts torchrun, which tells its processes who they are."""
    words = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
    return any(name in words for name in _STARTERS)


def meeting(job: Job) -> list[Object]:
    """The variables by which the job's programs, as they are, find each other."""
    if job.kind == "TFJob":
        return _tensorflow(job)
    if job.kind == "PyTorchJob" and starts_torchrun(job.roles[0].container):
        return []
    ranked = _ranked(job)
    if job.kind == "XGBoostJob" and job.nodes > 1:
        hosts = ",".join(_host(job, index) for index in range(1, job.nodes))
        ranked += [_variable("WORKER_PORT", _port(job, "Worker")), _variable("WORKER_ADDRS", hosts)]
    return ranked


def _ranked(job: Job) -> list[Object]:
    return [
        _variable("MASTER_ADDR", _host(job, 0)),
        _variable("MASTER_PORT", _port(job, job.roles[0].name)),
        _variable("WORLD_SIZE", str(job.nodes)),
        {"name": "RANK", "valueFrom": _INDEX},
    ]


def _tensorflow(job: Job) -> list[Object]:
    """All are workers, of which the first one is the chief: that is what TensorFlow does where nobody is called so."""
    if job.nodes == 1:
        return []
    port = _port(job, job.roles[0].name)
    workers = [f"{_host(job, index)}:{port}" for index in range(job.nodes)]
    # the kubelet puts the variable before into this one; no JSON writer would leave its place unquoted
    cluster = json.dumps({"worker": workers})
    config = f'{{"cluster": {cluster}, "task": {{"type": "worker", "index": $(TRAINJOB_NODE)}}}}'
    return [{"name": "TRAINJOB_NODE", "valueFrom": _INDEX}, _variable("TF_CONFIG", config)]


def _host(job: Job, index: int) -> str:
    return f"{job.name}-node-0-{index}.{job.name}"


def _port(job: Job, role: str) -> str:
    """Where the programs of a role listen."""
    name, number = FORMS[job.kind].port
    containers = [one.container for one in job.roles if one.name == role]
    ports = [port for one in containers for port in one.get("ports") or []]
    return str(next((port.get("containerPort", number) for port in ports if port.get("name") == name), number))


def _variable(name: str, value: str) -> Object:
    return {"name": name, "value": value}
