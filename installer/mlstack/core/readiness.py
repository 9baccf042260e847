"""When an object is ready or has failed, by the rules of its kind. Pure: it looks at one object and knows no cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlstack.core.model import ANNOTATION_OWNERS, Object


class State(StrEnum):
    """What waiting for an object comes to."""

    READY = "ready"
    PENDING = "pending"
    FAILED = "failed"
    """It will not become ready by itself."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state, and in words what is missing or went wrong. stalled: it failed only in that it got no further within its own
    deadline, which may have been long ago: it can still become ready."""

    state: State
    reason: str = ""
    stalled: bool = False


READY = Readiness(State.READY)
_Rule = Callable[[Object], Readiness]


def readiness(obj: Object | None, condition: str = "") -> Readiness:
    """Judges an object by its kind's rule, or by ``condition``, a status condition's type that must be True.

    A kind without a rule is ready when its Ready or Available condition is True, or when it has neither. What is left to its
    users is ready once it is there: what they do to it must not hold up the platform.
    """
    if obj is None:
        return _pending("not there yet")
    if obj["metadata"].get("deletionTimestamp"):
        return _pending("being deleted")
    if ANNOTATION_OWNERS in (obj["metadata"].get("annotations") or {}):
        return READY
    if condition:
        return _by_condition(obj, condition)
    return _RULES.get(obj["kind"], _generic)(obj)


def has_rule(kind: str) -> bool:
    """True for kinds that become ready some time after they were applied, and that ``up`` therefore waits for."""
    return kind in _WAITED


def conditions_of(obj: Object) -> dict[str, Mapping[str, Any]]:
    """The status conditions by type."""
    return {item["type"]: item for item in (obj.get("status") or {}).get("conditions") or () if "type" in item}


def says_ready(obj: Object) -> bool:
    """Whether a node or a pod has the condition Ready."""
    return conditions_of(obj).get("Ready", {}).get("status") == "True"


def _pending(reason: str) -> Readiness:
    return Readiness(State.PENDING, reason)


def _failed(reason: str) -> Readiness:
    return Readiness(State.FAILED, reason)


def _said(condition: Mapping[str, Any], fallback: str) -> str:
    words = [str(condition.get("reason") or ""), str(condition.get("message") or "")]
    return ": ".join(word for word in words if word) or fallback


def _observed(obj: Object) -> bool:
    """False while the controller has not seen the newest generation: its status tells of an older spec then."""
    status, generation = obj.get("status") or {}, obj["metadata"].get("generation")
    return generation is None or "observedGeneration" not in status or status["observedGeneration"] >= generation


def _by_condition(obj: Object, wanted: str) -> Readiness:
    if not _observed(obj):
        return _pending("its controller has not seen the newest version yet")
    condition = conditions_of(obj).get(wanted)
    if condition is None:
        return _pending(f"condition {wanted} is not there yet")
    generation = obj["metadata"].get("generation", 0)
    if condition.get("status") == "True" and condition.get("observedGeneration", generation) >= generation:
        return READY
    return _pending(_said(condition, f"condition {wanted} is {condition.get('status')}"))


def _generic(obj: Object) -> Readiness:
    conditions = conditions_of(obj)
    for wanted in ("Ready", "Available"):
        if wanted in conditions:
            return _by_condition(obj, wanted)
    return READY if _observed(obj) else _pending("its controller has not seen the newest version yet")


def _deployment(obj: Object) -> Readiness:
    status, wanted = obj.get("status") or {}, (obj.get("spec") or {}).get("replicas", 1)
    if "observedGeneration" not in status or not _observed(obj):
        return _pending("its controller has not seen the newest version yet")
    conditions = conditions_of(obj)
    progressing, stuck = conditions.get("Progressing", {}), conditions.get("ReplicaFailure", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Readiness(State.FAILED, _said(progressing, "it made no progress"), stalled=True)
    updated, total, available = (status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated >= wanted and total <= updated and available >= wanted:
        return READY
    if stuck.get("status") == "True":
        return _pending(_said(stuck, "pods cannot be made"))
    if total > updated and updated >= wanted:
        return _pending(f"{total - updated} old pods are ending")
    return _pending(f"{available} of {wanted} pods available")


def _stateful_set(obj: Object) -> Readiness:
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    wanted = spec.get("replicas", 1)
    if "observedGeneration" not in status or not _observed(obj):
        return _pending("its controller has not seen the newest version yet")
    ready = status.get("readyReplicas", 0)
    if ready < wanted:
        return _pending(f"{ready} of {wanted} pods ready")
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas", 0)
    if strategy.get("type") != "OnDelete" and updated < wanted - partition:
        return _pending(f"{updated} of {wanted - partition} pods updated")
    return READY


def _daemon_set(obj: Object) -> Readiness:
    status = obj.get("status") or {}
    if "observedGeneration" not in status or not _observed(obj):
        return _pending("its controller has not seen the newest version yet")
    wanted = status.get("desiredNumberScheduled", 0)
    ready = min(status.get("numberAvailable", status.get("numberReady", 0)), status.get("updatedNumberScheduled", 0))
    return READY if ready >= wanted else _pending(f"{ready} of {wanted} pods ready")


def _pod(obj: Object) -> Readiness:
    status = obj.get("status") or {}
    phase = status.get("phase", "Pending")
    if phase == "Succeeded":
        return READY
    if phase == "Failed":
        return _failed(str(status.get("message") or status.get("reason") or "the pod failed"))
    condition = conditions_of(obj).get("Ready", {})
    return READY if condition.get("status") == "True" else _pending(_said(condition, f"pod is {phase}"))


def _job(obj: Object) -> Readiness:
    conditions = conditions_of(obj)
    for name in ("Failed", "FailureTarget"):
        if conditions.get(name, {}).get("status") == "True":
            return _failed(_said(conditions[name], "the job failed"))
    if any(conditions.get(name, {}).get("status") == "True" for name in ("Complete", "SuccessCriteriaMet")):
        return READY
    if (obj.get("spec") or {}).get("suspend"):
        return READY
    active = (obj.get("status") or {}).get("active", 0)
    return _pending(f"running, {active} pods" if active else "no pod yet")


def _claim(obj: Object) -> Readiness:
    """A claim of a WaitForFirstConsumer class stays Pending until a pod uses it: that is no reason to wait."""
    phase = (obj.get("status") or {}).get("phase", "Pending")
    if phase == "Lost":
        return _failed("its volume is gone")
    selected = "volume.kubernetes.io/selected-node" in (obj["metadata"].get("annotations") or {})
    return _pending("its volume is being made") if phase == "Pending" and selected else READY


def _definition(obj: Object) -> Readiness:
    conditions = conditions_of(obj)
    names = conditions.get("NamesAccepted", {})
    if names.get("status") == "False":
        return _failed(_said(names, "its names are taken"))
    return READY if conditions.get("Established", {}).get("status") == "True" else _pending("not Established yet")


def _namespace(obj: Object) -> Readiness:
    phase = (obj.get("status") or {}).get("phase", "Active")
    return READY if phase == "Active" else _pending(f"namespace is {phase}")


def _always(_obj: Object) -> Readiness:
    return READY


_RULES: Mapping[str, _Rule] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "CustomResourceDefinition": _definition,
    "APIService": lambda obj: _by_condition(obj, "Available"),
    "Namespace": _namespace,
    "Service": _always,
}
_WAITED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Pod", "Job", "CustomResourceDefinition", "APIService"})
