"""Starts a sample, follows its steps and logs to its end and reads its results, of whatever kind it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Emit, Event, LogLine, Message, SampleStep
from mlstack.core.holdups import step_message
from mlstack.core.model import Object
from mlstack.core.ports import Cancelled, Kube
from mlstack.core.results import SampleResult
from mlstack.core.samplekind import SampleKind, Started
from mlstack.core.workflow import FlowStep
from mlstack.engine.sampleholdups import HoldupTeller, out_of_order, warning_of

WATCH_SECONDS = 60.0
"""How long one watch request lives before it is made anew."""
USUAL = frozenset({"PodInitializing", "ContainerCreating"})
"""What every pod says on its way (the kubelet's reasons): no news."""
LOG_SECONDS = 10.0
"""How long the last log lines may take after the workflow's end."""


class SampleRunner:
    """Runs samples of one kind on one cluster. ground: the stacks that they stand on."""

    def __init__(
        self, kube: Kube, kind: SampleKind, emit: Emit, cancelled: Cancelled, ground: Collection[str] = ()
    ) -> None:
        self._kube = kube
        self._kind = kind
        self._emit = emit
        self._cancelled = cancelled
        self._ground = ground

    def run(self, sample: str, obj: Object, results: Mapping[str, str], watch: bool) -> SampleResult:
        """Starts the sample and, with ``watch``, follows it to its end.

        Interrupting stops following; the sample goes on in the cluster. results: as the sample's kind reads them.
        Raises MlstackError sample.*, and what the kind's start raises.
        """
        run = self._start(obj)
        self._emit(Message(text=f"submitted {run.name} in namespace {run.namespace}"))
        began, state = time.monotonic(), run.object
        if watch:
            state = self._follow(run)
            if self._kind.finished(state) and self._kind.phase(state) != "Succeeded":
                for step in self._kind.failures(run):
                    self._emit(_told(step, step.message))
                self._blame()
        values, places = self._kind.results(run, state, results) if self._kind.finished(state) else ({}, {})
        return SampleResult(
            sample=sample,
            run=run.name,
            namespace=run.namespace,
            phase=self._kind.phase(state),
            seconds=time.monotonic() - began if watch else 0.0,
            message=self._kind.message(state),
            results=values,
            artifacts=places,
        )

    def _start(self, obj: Object) -> Started:
        """What cannot be started because a part of the platform is down says so first."""
        try:
            return self._kind.start(obj)
        except MlstackError as error:
            if error.exit_code is not ExitCode.USAGE:
                self._blame()
            raise

    def _blame(self) -> None:
        """Tells what under the sample is down, which may be why it failed."""
        for one in out_of_order(self._kube, self._ground):
            self._emit(warning_of(one))

    def _follow(self, run: Started) -> Object:
        """The watched object as it is at the end."""
        resource = self._kube.resource(run.api_version, run.kind)
        assert resource is not None, "a kind starts only what is served"  # noqa: S101
        ended, state = threading.Event(), run.object
        waiting = HoldupTeller(self._kube, self._emit, run, lambda: state, self._ground)

        def emit(event: Event) -> None:
            waiting.heard()
            self._emit(event)

        logs = _Logs(self._kube, emit, run, self._kind.lines, ended)
        logs.start()
        waiting.start()
        seen: dict[str, tuple[str, str]] = {}
        try:
            while not self._kind.finished(state) and not self._cancelled():
                for event in self._kube.watch(
                    resource, namespace=run.namespace, fields=run.fields, selector=run.selector, timeout=WATCH_SECONDS
                ):
                    if event.type == "DELETED":
                        raise MlstackError(
                            "sample.deleted", f"{run.name} was deleted while it ran", remedy="run it again"
                        )
                    state = event.object
                    self._tell(state, seen, emit)
                    if self._kind.finished(state) or self._cancelled():
                        break
        finally:
            ended.set()
            waiting.end()
            logs.finish()
        return state

    def _tell(self, state: Object, seen: dict[str, tuple[str, str]], emit: Emit) -> None:
        """Emits the steps whose phase changed, or of which something else is worth saying."""
        for step in self._kind.steps(state):
            said = step.phase, "" if step.message in USUAL else step.message
            if seen.get(step.id) != said:
                seen[step.id] = said
                emit(_told(step, said[1]))


class _Logs:
    """Streams the log of every pod of one run, a thread a pod, as the pods come."""

    def __init__(
        self,
        kube: Kube,
        emit: Emit,
        run: Started,
        lines: Callable[[], Callable[[str], str | None]],
        ended: threading.Event,
    ) -> None:
        self._kube, self._emit, self._lines = kube, emit, lines
        self._run, self._ended = run, ended
        self._threads: list[threading.Thread] = []
        self._watcher = threading.Thread(target=self._watch, name=f"pods-of-{run.name}", daemon=True)

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
                    namespace=self._run.namespace,
                    selector=self._run.pods,
                    timeout=WATCH_SECONDS,
                ):
                    pod = event.object
                    name = pod["metadata"]["name"]
                    if name not in followed and _started(pod, self._run.container):
                        followed.add(name)
                        thread = threading.Thread(target=self._stream, args=(name,), name=f"log-{name}", daemon=True)
                        thread.start()
                        self._threads.append(thread)  # started before: whoever finishes waits for all that are listed
                    if self._ended.is_set():
                        return
            except MlstackError as error:
                self._emit(Message(text=f"cannot follow the pods: {error.what}", level="warning"))
                return

    def _stream(self, pod: str) -> None:
        shown = self._lines()
        try:
            for line in self._kube.logs(self._run.namespace, pod, self._run.container, follow=True):
                text = shown(line)
                if text is not None:
                    self._emit(LogLine(source=pod, text=text))
        except MlstackError as error:
            self._emit(Message(text=f"cannot read the log of {pod}: {error.what}", level="warning"))


def _told(step: FlowStep, message: str) -> SampleStep:
    return SampleStep(
        step=step.id,
        name=step.name,
        phase=step.phase,
        message=step_message(step.phase, message),
        attempt=step.attempt,
        seconds=step.seconds,
    )


def _started(pod: Object, container: str) -> bool:
    """True once the container runs or has run, so that its log can be asked for."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == container:
            return bool(status.get("state", {}).keys() & {"running", "terminated"})
    return False
