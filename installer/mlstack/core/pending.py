"""Why something is not ready yet, in words that name the pod and its last reason: image, scheduling, probe, crash. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlstack.core.events import Pending
from mlstack.core.model import Object, ResourceId
from mlstack.core.readiness import State, conditions_of, readiness

LIMIT = 240
"""Characters of a reason that are shown."""

FINAL_WAITING = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waiting reasons of a container that waiting does not heal."""


def short(text: str) -> str:
    """One line of at most LIMIT characters."""
    line = " ".join(text.split())
    return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"


def pending_reasons(obj: Object, pods: Sequence[Object], events: Sequence[Object]) -> list[Pending]:
    """Each object that holds ``obj`` up, with its last reason; its pods when they tell more than the object itself.

    pods: the pods that belong to ``obj``; events: warnings of its namespace.
    """
    found = [
        Pending(resource=str(ResourceId.of(_named(pod, "Pod"))), reason=short(why))
        for pod, why in _waiting(pods, events)
    ]
    if found:
        return found
    rid = ResourceId.of(obj)
    reason = _last_warning(events, [obj]) or readiness(obj).reason or "waiting"
    return [Pending(resource=str(rid), reason=short(reason))]


def _named(obj: Object, kind: str) -> Object:
    return {"kind": kind, "apiVersion": "v1", **obj}


def _waiting(pods: Sequence[Object], events: Sequence[Object]) -> Iterator[tuple[Object, str]]:
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        if readiness(_named(pod, "Pod")).state is not State.READY:
            yield pod, pod_reason(pod, events)


def pod_reason(pod: Object, events: Sequence[Object] = ()) -> str:
    """The last reason why a pod is not ready: container state first, then its volumes, scheduling, its newest warning."""
    return (
        _container_reason(pod)
        or _volume_reason(pod, events)
        or _scheduling(pod)
        or _last_warning(events, [pod])
        or _phase(pod)
    )


def final_failure(pods: Sequence[Object]) -> str:
    """The reason when a pod of a workload can never start as it is specified, else an empty string."""
    for pod in pods:
        for status in _statuses(pod):
            waiting = (status.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in FINAL_WAITING:
                return f"{pod['metadata']['name']}: {_container_reason(pod)}"
    return ""


def progress_mark(obj: Object | None, pods: Sequence[Object]) -> str:
    """Changes exactly when the object or its pods got further; a restarting container is no progress."""
    if obj is None:
        return "absent"
    status = obj.get("status") or {}
    counts = [
        status.get(key)
        for key in ("updatedReplicas", "availableReplicas", "readyReplicas", "numberAvailable", "succeeded")
    ]
    conditions = sorted((name, str(item.get("status"))) for name, item in conditions_of(obj).items())
    marks = sorted(
        f"{pod['metadata'].get('uid', pod['metadata']['name'])}:{bool((pod.get('spec') or {}).get('nodeName'))}:"
        f"{sum(1 for one in _statuses(pod) if one.get('imageID'))}:{sum(1 for one in _statuses(pod) if one.get('ready'))}"
        for pod in pods
        if not _restarted(pod)
    )
    return f"{obj['metadata'].get('generation')}|{counts}|{conditions}|{marks}"


def crashed(pod: Object) -> str:
    """The name of a container that ended or keeps crashing, whose earlier log tells why; empty when none."""
    for status in _statuses(pod):
        last, now = (status.get("lastState") or {}).get("terminated"), (status.get("state") or {}).get("terminated")
        if (last or now) and (last or now or {}).get("exitCode", 0) != 0:
            return str(status.get("name", ""))
    return ""


def first_bad_end(pod: Object) -> str:
    """Which of its containers was the first to end badly, and how; empty when none did."""
    ended = [(one, (one.get("state") or {}).get("terminated") or {}) for one in _statuses(pod)]
    bad = [one for one in ended if one[1].get("exitCode")]
    first = min(bad, key=lambda one: str(one[1].get("finishedAt") or "~"), default=None)
    return short(_container_end(*first)) if first else ""


def _restarted(pod: Object) -> bool:
    return any(status.get("restartCount", 0) > 0 for status in _statuses(pod))


def _statuses(pod: Object) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _container_reason(pod: Object) -> str:
    for status in _statuses(pod):
        state = status.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") and waiting["reason"] not in ("PodInitializing", "ContainerCreating"):
            return _container_words(status, waiting)
        if ended and ended.get("exitCode", 0) != 0:
            return _container_end(status, ended)
    return ""


def _container_end(status: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    return f"container {status.get('name')} ended with {_ended(ended)}"


def _container_words(status: Mapping[str, Any], waiting: Mapping[str, Any]) -> str:
    words = f"container {status['name']}: {waiting['reason']}"
    if waiting["reason"] == "CrashLoopBackOff":
        last = (status.get("lastState") or {}).get("terminated") or {}
        return f"{words}, started {status.get('restartCount', 0) + 1} times, ended with {_ended(last)}"
    return f"{words}: {waiting['message']}" if waiting.get("message") else words


def _ended(state: Mapping[str, Any]) -> str:
    words = f"exit code {state.get('exitCode', '?')}"
    extra = ": ".join(part for part in (state.get("reason", ""), state.get("message", "")) if part and part != "Error")
    return f"{words} ({extra})" if extra else words


def _claims(pod: Object) -> list[str]:
    """The names of the volume claims a pod that has no node yet waits for."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return []
    found = [(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in spec.get("volumes") or ()]
    return [str(name) for name in found if name]


def _volume_reason(pod: Object, events: Sequence[Object]) -> str:
    """What the provisioner last complained of: a pod gets no node before its volumes can be made."""
    for name in _claims(pod):
        claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": name}}
        warning = _last_warning(events, [claim])
        if warning:
            return f"volume {name}: {warning}"
    return ""


def _scheduling(pod: Object) -> str:
    condition = conditions_of(pod).get("PodScheduled", {})
    if condition.get("status") == "False":
        return f"not scheduled: {condition.get('message') or condition.get('reason') or 'no node fits'}"
    return ""


def _last_warning(events: Sequence[Object], objects: Sequence[Object]) -> str:
    uids = {obj["metadata"].get("uid") for obj in objects} - {None}
    names = {(obj.get("kind", "Pod"), obj["metadata"]["name"]) for obj in objects}

    def about(event: Object) -> bool:
        involved = event.get("involvedObject") or event.get("regarding") or {}
        return involved.get("uid") in uids or (involved.get("kind"), involved.get("name")) in names

    related = [event for event in events if event.get("type") == "Warning" and about(event)]
    if not related:
        return ""
    newest = max(related, key=last_seen)
    return f"{newest.get('reason', 'Warning')}: {newest.get('message') or newest.get('note') or ''}"


def last_seen(event: Object) -> str:
    """When an event was seen last, as the API writes times; empty where it does not say."""
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
    )
    return max((str(moment) for moment in times if moment), default="")


def _phase(pod: Object) -> str:
    condition = conditions_of(pod).get("Ready", {})
    phase = (pod.get("status") or {}).get("phase", "Pending")
    if phase == "Running":
        return str(condition.get("message") or "running, not ready yet")
    if (pod.get("spec") or {}).get("nodeName"):
        return "starting its containers"
    claims = _claims(pod)
    return f"waits for a node and its volumes ({', '.join(claims)})" if claims else "waits for a node"
