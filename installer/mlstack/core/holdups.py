"""What holds a running sample up, and what whoever started it can do: from its pods and the warnings about its objects. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlstack.core.model import LABEL_STACK, Object, ResourceId
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
_OTHERWISE = (
    "`mlstack status` and `mlstack doctor` look at the platform; interrupting this command does not end the run"
)
_USUAL = ("Unhealthy",)
"""Warnings that programs cause while they start."""
_PASSING = re.compile(r"Operation cannot be fulfilled|Failed to reconcile: .* not found$")
"""What controllers say when two of them were about the same object; they try again at once."""
_NEWS = ("starting its containers", "running, not ready yet", "waits for a node")


@dataclass(frozen=True, slots=True)
class Holdup:
    """Something that does not go on. resource: ``Kind/namespace/name``; remedy: what to do."""

    resource: str
    reason: str
    remedy: str


def holdups(pods: Sequence[Object], events: Sequence[Object], stem: str, since: datetime) -> list[Holdup]:
    """What of a run waits for something that does not come by itself, or that takes unusually long.

    stem: how the names of the run's objects begin; since: warnings from before count for nothing.
    """
    return list(_of_pods(pods, events)) or list(_of_events(events, stem, since))


def remedy(reason: str, otherwise: str = _OTHERWISE) -> str:
    """What to do, by the first rule that fits the reason."""
    return next((text for pattern, text in _RULES if re.search(pattern, reason)), otherwise)


def with_remedy(reason: str) -> str:
    """The reason, with what to do where that is known."""
    known = remedy(reason, "")
    return f"{reason}; {known}" if known else reason


def _of_pods(pods: Sequence[Object], events: Sequence[Object]) -> Iterator[Holdup]:
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        if (pod.get("status") or {}).get("phase", "Pending") != "Pending":
            continue
        reason = pod_reason(pod, events)
        if reason not in _NEWS:
            yield _holdup({"kind": "Pod", "apiVersion": "v1", **pod}, reason)


def _of_events(events: Sequence[Object], stem: str, since: datetime) -> Iterator[Holdup]:
    newest: dict[str, tuple[datetime, Holdup]] = {}
    for event in events:
        about = event.get("involvedObject") or {}
        moment = _moment(event)
        if (
            event.get("type") != "Warning"
            or event.get("reason") in _USUAL
            or _PASSING.search(str(event.get("message", "")))
            or not str(about.get("name", "")).startswith(stem)
            or moment < since
        ):
            continue
        obj = {
            "kind": about.get("kind", ""),
            "apiVersion": about.get("apiVersion", "v1"),
            "metadata": {"name": about["name"], "namespace": about.get("namespace", "")},
        }
        found = _holdup(obj, f"{event.get('reason', 'Warning')}: {event.get('message', '')}")
        if found.resource not in newest or newest[found.resource][0] <= moment:
            newest[found.resource] = moment, found
    yield from (found for _, (_, found) in sorted(newest.items()))


def ailing(workloads: Sequence[Object], stacks: Collection[str]) -> list[Holdup]:
    """What of the platform's own parts does not work, of the stacks that a run stands on.

    workloads: Deployments and StatefulSets with their status.
    """
    found = []
    for obj in workloads:
        stack = (obj["metadata"].get("labels") or {}).get(LABEL_STACK, "")
        ready, wanted = int((obj.get("status") or {}).get("readyReplicas") or 0), obj["spec"].get("replicas", 1)
        if stack in stacks and not ready:
            reason = "it is scaled to no pod" if not wanted else "none of its pods is ready"
            part = f"it is part of stack {stack}, which the run stands on"
            todo = f"{part}: `mlstack up` puts it right, `mlstack logs {stack}` tells why"
            found.append(Holdup(str(ResourceId.of(obj)), reason, todo))
    return found


def _holdup(obj: Object, reason: str) -> Holdup:
    return Holdup(str(ResourceId.of(obj)), short(reason), remedy(reason))


def _moment(event: Object) -> datetime:
    return datetime.fromisoformat(last_seen(event) or "1970-01-01T00:00:00+00:00")
