"""Waiting for objects by watch: any number of waits share the watches; the user hears what holds each one up, and why.

A wait ends when its object is ready, has failed for good, or got no further for its timeout; then the last lines of its
pod's log are in the error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlstack.core.actions import Wait
from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, Pending, StepWaiting
from mlstack.core.model import LABEL_INSTANCE, Object, ResourceId
from mlstack.core.pending import final_failure, pending_reasons, progress_mark
from mlstack.core.podspec import WORKLOAD_KINDS
from mlstack.core.ports import Kube
from mlstack.core.readiness import State, readiness
from mlstack.engine.baseline import Baseline
from mlstack.engine.faults import as_error
from mlstack.engine.informers import Informers, WatchKey
from mlstack.engine.podlogs import last_lines

QUIET = 1.0
"""Seconds a wait may last before its pods are watched and its reasons are told."""
LOOK = 1.0
"""Seconds between looks at what open waits are held up by."""
OVERALL = 4.0
"""A wait ends after this many timeouts even if its object still changes: a crash loop changes for ever."""


@dataclass(slots=True)
class _Open:
    action: Wait
    baseline: Baseline
    key: WatchKey
    began: float
    progressed: float
    mark: str = ""
    told: tuple[Pending, ...] = ()

    def is_young(self) -> bool:
        """Whether what stalled may have done so before this wait, which a run that goes on after a failed one must not fail for."""
        return time.monotonic() - self.began < self.action.timeout


Ended = Callable[[str, MlstackError | None], None]


class WaitBoard:
    """All open waits of a run. ended gets an action's id and None or its error, from any thread."""

    def __init__(self, kube: Callable[[], Kube], instance: str, emit: Emit, ended: Ended) -> None:
        self._kube, self._emit, self._ended = kube, emit, ended
        self._selector = f"{LABEL_INSTANCE}={instance}"
        self._informers = Informers(kube, self._changed, self._broken)
        self._open: dict[str, _Open] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._looking = False

    def add(self, action: Wait, baseline: Baseline) -> None:
        """Begins a wait. Raises MlstackError when the cluster cannot be watched."""
        rid, now = action.resource, time.monotonic()
        key = WatchKey(rid.api_version, rid.kind, selector=self._selector)
        with self._lock:
            self._open[action.id] = _Open(action, baseline, key, now, now)
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._keep_looking, daemon=True, name="waits").start()
        informer = self._informers.want(key)
        if informer is None:
            with self._lock:
                self._open.pop(action.id, None)
            raise MlstackError(
                "kube.unknown-kind", f"The cluster does not know the kind of {rid}", remedy="Correct the stack's wait."
            )
        self._look(action.id, informer.get(rid))

    def _keep_looking(self) -> None:
        """Tells reasons and ends what got no further. A thread of its own: looking may have to ask the cluster."""
        while not self._closed.wait(LOOK):
            now = time.monotonic()
            with self._lock:
                waits = [one for one in self._open.values() if now - one.began >= QUIET]
            for one in waits:
                self._look_closer(one, now)

    def _look_closer(self, one: _Open, now: float) -> None:
        try:
            self._inspect(one, now)
        except Exception as error:  # nobody else would hear of it: this thread looks after all waits
            self._finish(one.action.id, as_error(error))

    def abandon(self) -> list[str]:
        """Ends all waits without a verdict; gives their ids."""
        with self._lock:
            ids = list(self._open)
            self._open.clear()
        self._informers.end()
        return ids

    def close(self) -> None:
        """Ends all watches."""
        self._closed.set()
        self._informers.end()

    def _finish(self, action_id: str, error: MlstackError | None) -> None:
        with self._lock:
            if self._open.pop(action_id, None) is None:
                return
        self._ended(action_id, error)

    def _changed(self, _key: WatchKey, rid: ResourceId, obj: Object | None) -> None:
        with self._lock:
            ids = [key for key, one in self._open.items() if one.action.resource == rid]
        for action_id in ids:
            self._look(action_id, obj)

    def _look(self, action_id: str, obj: Object | None) -> None:
        one = self._open.get(action_id)
        if one is None or obj is None or not one.baseline.covers(obj):
            return
        verdict = readiness(obj, one.action.condition)
        if verdict.state is State.READY:
            self._finish(action_id, None)
        elif verdict.state is State.FAILED and not (verdict.stalled and one.is_young()):
            self._fail(one, "wait.failed", f"{one.action.resource} failed", [verdict.reason])

    def _broken(self, key: WatchKey, error: MlstackError) -> None:
        self._informers.drop(key)
        with self._lock:
            ids = [action_id for action_id, one in self._open.items() if one.key == key]
        for action_id in ids:
            self._finish(action_id, error)

    def _inspect(self, one: _Open, now: float) -> None:
        rid = one.action.resource
        informer = self._informers.want(one.key)
        obj = informer.get(rid) if informer else None
        pods, warnings = self._around(obj, rid)
        mark = progress_mark(obj, pods)
        if mark != one.mark:
            one.mark, one.progressed = mark, now
        reasons = self._reasons(one, obj, pods, warnings)
        if reasons != one.told and one.action.id in self._open:
            one.told = reasons
            self._emit(StepWaiting(step=one.action.id, pending=reasons))
        words = [f"{reason.resource}: {reason.reason}" for reason in reasons]
        if final := final_failure(pods):
            self._fail(one, "wait.failed", f"{rid} cannot start", [final])
        elif now - one.progressed >= one.action.timeout:
            self._fail(one, "wait.timeout", f"{rid} got no further for {one.action.timeout:.0f} s", words)
        elif now - one.began >= one.action.timeout * OVERALL:
            self._fail(one, "wait.timeout", f"{rid} is not ready after {now - one.began:.0f} s", words)

    def _around(self, obj: Object | None, rid: ResourceId) -> tuple[list[Object], list[Object]]:
        """The pods of a workload and the warnings of its namespace, watched from now on."""
        if obj is None or rid.kind not in WORKLOAD_KINDS:
            return [], []
        warnings = self._informers.want(WatchKey("v1", "Event", rid.namespace, fields="type=Warning"))
        pods = self._informers.want(WatchKey("v1", "Pod", rid.namespace))
        mine = [pod for pod in (pods.all() if pods else []) if belongs(pod, obj)]
        return mine, warnings.all() if warnings else []

    def _reasons(
        self, one: _Open, obj: Object | None, pods: list[Object], warnings: list[Object]
    ) -> tuple[Pending, ...]:
        if obj is None:
            return (Pending(resource=str(one.action.resource), reason="not there yet"),)
        if one.action.condition:
            verdict = readiness(obj, one.action.condition)
            return (Pending(resource=str(one.action.resource), reason=verdict.reason or "waiting"),)
        return tuple(pending_reasons(obj, pods, warnings))

    def _fail(self, one: _Open, code: str, what: str, words: list[str]) -> None:
        """Reads the log in a thread of its own: the caller may be a watch."""
        with self._lock:
            if self._open.pop(one.action.id, None) is None:
                return

        def conclude() -> None:
            rid = one.action.resource
            informer = self._informers.want(one.key)
            pods, _warnings = self._around(informer.get(rid) if informer else None, rid)
            lines = last_lines(self._kube(), pods)
            error = MlstackError(
                code,
                what,
                why="\n".join([*words, *lines]),
                remedy=f"Look at it with `mlstack logs {one.action.group}`; when the cause is gone, run `mlstack up` again.",
            )
            self._ended(one.action.id, error)

        threading.Thread(target=conclude, daemon=True, name=f"fail {one.action.id}").start()


def belongs(pod: Object, workload: Object) -> bool:
    """True for a pod that the workload's selector takes in."""
    if workload["kind"] == "Pod":
        return bool(pod["metadata"]["name"] == workload["metadata"]["name"])
    selector: Mapping[str, str] = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()
