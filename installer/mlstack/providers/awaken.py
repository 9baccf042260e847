"""Waits until a cluster that was started again really runs: what its API says right after a start is from before the stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError, interrupted
from mlstack.core.events import Emit, Message, Pending, StepWaiting
from mlstack.core.model import Object
from mlstack.core.pending import pod_reason
from mlstack.core.ports import Cancelled, Kube, WatchEvent
from mlstack.core.readiness import State, readiness

Connect = Callable[[Path], Kube]
"""Opens the API that a kubeconfig names."""
Since = Mapping[str, float]
"""Node name -> when it was started, in seconds since the epoch."""
API_SECONDS = 90.0
POD_SECONDS = 120.0
_SYSTEM = "kube-system"
_SLICE = 5.0
_PAUSE = 0.5


def await_api(kube: Kube, step: str, emit: Emit, cancelled: Cancelled, patience: float = API_SECONDS) -> None:
    """Returns once the API server answers. Raises cluster.no-api (not ready) or run.interrupted."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    emit(StepWaiting(step=step, pending=(Pending(resource="API server", reason="does not answer yet"),)))
    while True:
        stop_if(cancelled)
        try:
            kube.server_version()
        except MlstackError as error:
            if time.monotonic() > deadline:
                raise MlstackError(
                    "cluster.no-api",
                    f"the API server did not answer within {patience:.0f} s",
                    why=error.why or error.what,
                    remedy="look at the node with `mlstack doctor`; `mlstack stop` and `mlstack start` may help",
                    exit_code=ExitCode.NOT_READY,
                ) from error
            # There is nothing to watch before the API answers.
            pause.wait(_PAUSE)
        else:
            return


def await_pods(
    kube: Kube, since: Since, step: str, emit: Emit, cancelled: Cancelled, patience: float = POD_SECONDS
) -> None:
    """Returns once every pod is ready with containers started after its node was.

    When time is up: pods of the cluster's own namespace not ready raise cluster.not-ready; others are a warning only,
    since they may have been broken before and a later step can mend them.
    """
    resource = kube.resource("v1", "Pod")
    if resource is None:
        raise MlstackError("cluster.no-api", "the API server does not know pods", exit_code=ExitCode.NOT_READY)
    deadline = time.monotonic() + patience
    shown: tuple[Pending, ...] = ()
    while True:
        # A fresh list each round: a pod that went away between two watches is in no event.
        pods = {_key(pod): pod for pod in kube.list(resource)}
        pending = _pending(pods, since)
        if not pending:
            return None
        if time.monotonic() > deadline:
            return _give_up(pending, patience, step, emit)
        if pending != shown:
            emit(StepWaiting(step=step, pending=pending))
            shown = pending
        # The slices keep a cancel and the deadline in sight.
        for event in kube.watch(resource, timeout=min(_SLICE, max(1.0, deadline - time.monotonic()))):
            stop_if(cancelled)
            _take(pods, event)
            if not _pending(pods, since):
                break
        stop_if(cancelled)


def _key(pod: Object) -> str:
    return str(pod["metadata"].get("uid") or _name(pod))


def _take(pods: dict[str, Object], event: WatchEvent) -> None:
    if event.type == "DELETED":
        pods.pop(_key(event.object), None)
    else:
        pods[_key(event.object)] = event.object


def _pending(pods: Mapping[str, Object], since: Since) -> tuple[Pending, ...]:
    waiting = [pod for pod in pods.values() if not _settled(pod, since)]
    found = [Pending(resource=_name(pod), reason=_reason(pod, since)) for pod in waiting]
    return tuple(sorted(found, key=lambda item: item.resource))


def _name(pod: Object) -> str:
    return f"Pod/{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"


def _reason(pod: Object, since: Since) -> str:
    return pod_reason(pod) if fresh(pod, since) else "not started again yet"


def _settled(pod: Object, since: Since) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return True
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    return fresh(pod, since) and readiness({"kind": "Pod", "apiVersion": "v1", **pod}).state is State.READY


def fresh(pod: Object, since: Since) -> bool:
    """True when no running container of the pod claims to have been started before its node was."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    node_started = since.get(str((pod.get("spec") or {}).get("nodeName", "")), 0.0)
    return all(_started(status) >= node_started for status in statuses if "running" in (status.get("state") or {}))


def _started(status: Mapping[str, Any]) -> float:
    text = status["state"]["running"].get("startedAt") or ""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


def _give_up(pending: tuple[Pending, ...], patience: float, step: str, emit: Emit) -> None:
    system = [item for item in pending if item.resource.startswith(f"Pod/{_SYSTEM}/")]
    listed = "; ".join(f"{item.resource}: {item.reason}" for item in system or pending)
    if system:
        raise MlstackError(
            "cluster.not-ready",
            f"the cluster's own pods were not ready {patience:.0f} s after the start",
            why=listed,
            remedy="run `mlstack doctor`; `mlstack stop` and `mlstack start` once more may help",
            exit_code=ExitCode.NOT_READY,
        )
    emit(Message(text=f"not ready {patience:.0f} s after the start: {listed}", level="warning", step=step))


def stop_if(cancelled: Cancelled) -> None:
    """Raises run.interrupted once the user asked to stop."""
    if cancelled():
        raise interrupted("the wait for the cluster")
