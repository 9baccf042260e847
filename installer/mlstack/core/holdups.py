"""What holds a running sample up, and what whoever started it can do: from its pods and the warnings about its objects. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlstack.core.model import ANNOTATION_OWNERS, LABEL_STACK, Object, ResourceId
from mlstack.core.pending import last_seen, pod_reason, short

_RULES: tuple[tuple[str, str], ...] = (
    (
        r"ImagePull|ErrImage|InvalidImageName",
        "name an image that the nodes have (`mlstack images list`) or that a registry in reach serves, and run it again",
    ),
    (
        r"exceeded quota|is forbidden: maximum|quota",
        "wait for other runs of the namespace to end, ask for less, or raise the quota: profiles[].quota in mlstack.yaml",
    ),
    (r"Insufficient|Too many pods", "the nodes are full: wait for other runs, ask for less, or end what is not needed"),
    (
        r"violates PodSecurity",
        "the namespace admits confined pods only: set the securityContext that the message names",
    ),
    (r"OOMKilled", "raise the memory limit of the step, or give it less to do"),
    (
        r"FailedMount|volume|secret|configmap",
        "make what the message names, in the same namespace; then it goes on by itself",
    ),
    (r"CrashLoopBackOff|ended with exit code", "its log tells why"),
    (
        r"failed calling webhook|connection refused|no such host|i/o timeout",
        "`mlstack status` says which stack is not ready",
    ),
)
QUIET = 10.0
"""Seconds without news after which it is worth a look what a run waits for."""
LOOK = 5.0
"""Seconds between such looks."""
OTHERWISE = "`mlstack status` and `mlstack doctor` look at the platform"
"""What to do where no rule fits."""
STUCK = frozenset({"Pending", "Failed", "Error"})
"""Phases of a step whose message may call for something to do."""
UNSEEN = "nothing has looked at it yet", "`mlstack status` says which stack is not ready; the run goes on once it is"
"""Reason and remedy of an object that no controller took up."""
_USUAL = ("Unhealthy",)
"""Warnings that programs cause while they start."""
_PASSING = re.compile(r"Operation cannot be fulfilled|Failed to reconcile: .* not found$")
"""What controllers say when two of them were about the same object; they try again at once."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_STAMPS = frozenset(
    {"creationTimestamp", "startTime", "startedAt", "finishedAt", "completionTime", "lastTransitionTime"}
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NEWS = ("starting its containers", "running, not ready yet", "waits for a node")


@dataclass(frozen=True, slots=True)
class Holdup:
    """Something that does not go on. resource: ``Kind/namespace/name``; remedy: what to do."""

    resource: str
    reason: str
    remedy: str


def holdups(
    pods: Sequence[Object], events: Sequence[Object], stem: str, since: datetime, otherwise: str = OTHERWISE
) -> list[Holdup]:
    """What of a run waits for something that does not come by itself, or that takes unusually long.

    stem: how the names of the run's objects begin; since: warnings from before count for nothing; otherwise: what to do
    where no rule fits.
    """
    return list(_of_pods(pods, events, otherwise)) or list(_of_events(pods, events, stem, since, otherwise))


def unseen(obj: Object) -> list[Holdup]:
    """The object itself where its status is still empty, so that nothing works on it."""
    return [] if obj.get("status") else [Holdup(str(ResourceId.of(obj)), *UNSEEN)]


def last_news(obj: Object, pods: Sequence[Object]) -> datetime:
    """When something last happened to a run's object or to its pods, as they tell themselves."""
    told = [moment for one in (obj, *pods) for moment in _moments(one)]
    return max(told, default=_NEVER)


def _moments(value: Any) -> Iterator[datetime]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _STAMPS and isinstance(inner, str) and _STAMP.fullmatch(inner):
                yield datetime.fromisoformat(inner)
            elif key not in ("spec", "managedFields", "labels", "annotations"):
                yield from _moments(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _moments(inner)


def remedy(reason: str, otherwise: str = OTHERWISE) -> str:
    """What to do, by the first rule that fits the reason."""
    return next((text for pattern, text in _RULES if re.search(pattern, reason)), otherwise)


def step_message(phase: str, message: str) -> str:
    """What a step says, with what to do where it does not go on and that is known."""
    known = remedy(message, "") if message and phase in STUCK else ""
    return f"{message}; {known}" if known else message


def _of_pods(pods: Sequence[Object], events: Sequence[Object], otherwise: str) -> Iterator[Holdup]:
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        if (pod.get("status") or {}).get("phase", "Pending") != "Pending":
            continue
        reason = pod_reason(pod, events)
        if reason not in _NEWS:
            yield _holdup({"kind": "Pod", "apiVersion": "v1", **pod}, reason, otherwise)


def _of_events(
    pods: Sequence[Object], events: Sequence[Object], stem: str, since: datetime, otherwise: str
) -> Iterator[Holdup]:
    went_on = _went_on(pods)
    newest: dict[str, tuple[datetime, Holdup]] = {}
    for event in events:
        about = event.get("involvedObject") or {}
        moment = _moment(event)
        if (
            event.get("type") != "Warning"
            or event.get("reason") in _USUAL
            or _PASSING.search(str(event.get("message", "")))
            or not str(about.get("name", "")).startswith(stem)
            or moment < max(since, went_on.get(str(about.get("name")), since))
        ):
            continue
        obj = {
            "kind": about.get("kind", ""),
            "apiVersion": about.get("apiVersion", "v1"),
            "metadata": {"name": about["name"], "namespace": about.get("namespace", "")},
        }
        found = _holdup(obj, f"{event.get('reason', 'Warning')}: {event.get('message', '')}", otherwise)
        if found.resource not in newest or newest[found.resource][0] <= moment:
            newest[found.resource] = moment, found
    yield from (found for _, (_, found) in sorted(newest.items()))


def ailing(workloads: Sequence[Object], stacks: Collection[str]) -> list[Holdup]:
    """What of the platform's own parts does not work, of the stacks that a run stands on.

    workloads: Deployments and StatefulSets with their status.
    """
    found = []
    for obj in workloads:
        if ANNOTATION_OWNERS in (obj["metadata"].get("annotations") or {}):
            continue  # its users stop it as they like
        stack = (obj["metadata"].get("labels") or {}).get(LABEL_STACK, "")
        ready, wanted = int((obj.get("status") or {}).get("readyReplicas") or 0), obj["spec"].get("replicas", 1)
        if stack in stacks and not ready:
            reason = "it is scaled to no pod" if not wanted else "none of its pods is ready"
            part = f"it is part of stack {stack}, which the run stands on"
            todo = f"{part}: `mlstack up` puts it right, `mlstack logs {stack}` tells why"
            found.append(Holdup(str(ResourceId.of(obj)), reason, todo))
    return found


def _went_on(pods: Sequence[Object]) -> dict[str, datetime]:
    """When what is named got further, so that warnings from before are over: a pod by its containers that started, what
    makes pods by the pods that it made."""
    found: dict[str, datetime] = {}

    def note(name: Any, moment: str) -> None:
        if moment:
            found[str(name)] = max(found.get(str(name), _NEVER), datetime.fromisoformat(moment))

    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            for state in (status.get("state") or {}).values():
                note(pod["metadata"]["name"], str(state.get("startedAt") or ""))
        for owner in pod["metadata"].get("ownerReferences") or []:
            note(owner.get("name"), str(pod["metadata"].get("creationTimestamp") or ""))
    return found


def _holdup(obj: Object, reason: str, otherwise: str) -> Holdup:
    return Holdup(str(ResourceId.of(obj)), short(reason), remedy(reason, otherwise))


def _moment(event: Object) -> datetime:
    moment = last_seen(event)
    return datetime.fromisoformat(moment) if moment else _NEVER
