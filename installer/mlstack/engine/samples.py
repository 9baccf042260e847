"""Submits a sample, follows its steps and logs to its end and reads its results. Works on the rendered object only."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Emit, LogLine, Message, SampleStep
from mlstack.core.model import Object
from mlstack.core.ports import ApiResource, Cancelled, Kube
from mlstack.core.results import SampleResult
from mlstack.core.workflow import (
    LABEL_WORKFLOW,
    MAIN_CONTAINER,
    finished,
    is_executor_line,
    phase_of,
    results_of,
    steps_of,
)

WATCH_SECONDS = 60.0
"""How long one watch request lives before it is made anew."""
LOG_SECONDS = 10.0
"""How long the last log lines may take after the workflow's end."""


class SampleRunner:
    """Runs samples on one cluster. Raises ``sample.not-served`` where the cluster has no such resource."""

    def __init__(self, kube: Kube, emit: Emit, cancelled: Cancelled) -> None:
        self._kube = kube
        self._emit = emit
        self._cancelled = cancelled

    def run(self, sample: str, obj: Object, results: Mapping[str, str], watch: bool) -> SampleResult:
        """Creates the object and, with ``watch``, follows it to its end.

        Interrupting stops following; the sample goes on in the cluster. results: as in ``workflow.results_of``.
        """
        resource = self._kube.resource(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise MlstackError(
                "sample.not-served",
                f"sample {sample} needs {obj['kind']} objects, which the cluster does not serve",
                remedy="bring the platform up first: mlstack up",
                exit_code=ExitCode.NOT_READY,
            )
        flow = self._kube.create(obj)
        name, namespace = flow["metadata"]["name"], flow["metadata"]["namespace"]
        self._emit(Message(text=f"submitted {name} in namespace {namespace}"))
        began = time.monotonic()
        if watch:
            flow = self._follow(resource, flow)
        values, places = results_of(flow, results)
        return SampleResult(
            sample=sample,
            run=name,
            namespace=namespace,
            phase=phase_of(flow),
            seconds=time.monotonic() - began if watch else 0.0,
            message=str(flow.get("status", {}).get("message") or ""),
            results=values,
            artifacts=places,
        )

    def _follow(self, resource: ApiResource, flow: Object) -> Object:
        name, namespace = flow["metadata"]["name"], flow["metadata"]["namespace"]
        ended = threading.Event()
        logs = _Logs(self._kube, self._emit, namespace, name, ended)
        logs.start()
        seen: dict[str, str] = {}
        try:
            while not finished(flow) and not self._cancelled():
                for event in self._kube.watch(
                    resource, namespace=namespace, fields=f"metadata.name={name}", timeout=WATCH_SECONDS
                ):
                    if event.type == "DELETED":
                        raise MlstackError("sample.deleted", f"{name} was deleted while it ran", remedy="run it again")
                    flow = event.object
                    self._tell(flow, seen)
                    if finished(flow) or self._cancelled():
                        break
        finally:
            ended.set()
            logs.finish()
        return flow

    def _tell(self, flow: Object, seen: dict[str, str]) -> None:
        """Emits the steps whose phase changed."""
        for step in steps_of(flow):
            if seen.get(step.id) != step.phase:
                seen[step.id] = step.phase
                self._emit(
                    SampleStep(
                        step=step.id,
                        name=step.name,
                        phase=step.phase,
                        message=step.message,
                        attempt=step.attempt,
                        seconds=step.seconds,
                    )
                )


class _Logs:
    """Streams the main container's log of every pod of one workflow, a thread a pod, as the pods come."""

    def __init__(self, kube: Kube, emit: Emit, namespace: str, name: str, ended: threading.Event) -> None:
        self._kube, self._emit = kube, emit
        self._namespace, self._name, self._ended = namespace, name, ended
        self._threads: list[threading.Thread] = []
        self._watcher = threading.Thread(target=self._watch, name=f"pods-of-{name}", daemon=True)

    def start(self) -> None:
        """Begins to look for pods."""
        self._watcher.start()

    def finish(self) -> None:
        """Waits for the lines that are still to come, within bounds."""
        deadline = time.monotonic() + LOG_SECONDS
        for thread in [*self._threads]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        pods = self._kube.resource("v1", "Pod")
        assert pods is not None, "every cluster serves pods"  # noqa: S101
        followed: set[str] = set()
        while not self._ended.is_set():
            try:
                for event in self._kube.watch(
                    pods,
                    namespace=self._namespace,
                    selector=f"{LABEL_WORKFLOW}={self._name}",
                    timeout=WATCH_SECONDS,
                ):
                    pod = event.object
                    name = pod["metadata"]["name"]
                    if name not in followed and _started(pod):
                        followed.add(name)
                        thread = threading.Thread(target=self._stream, args=(name,), name=f"log-{name}", daemon=True)
                        self._threads.append(thread)
                        thread.start()
                    if self._ended.is_set():
                        return
            except MlstackError as error:
                self._emit(Message(text=f"cannot follow the pods: {error.what}", level="warning"))
                return

    def _stream(self, pod: str) -> None:
        try:
            for line in self._kube.logs(self._namespace, pod, MAIN_CONTAINER, follow=True):
                if not is_executor_line(line):
                    self._emit(LogLine(source=pod, text=line))
        except MlstackError as error:
            self._emit(Message(text=f"cannot read the log of {pod}: {error.what}", level="warning"))


def _started(pod: Object) -> bool:
    """True once the main container runs or has run, so that its log can be asked for."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == MAIN_CONTAINER:
            return bool(status.get("state", {}).keys() & {"running", "terminated"})
    return False
