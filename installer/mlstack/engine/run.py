"""The one loop that carries out any plan: hands out work in dependency order, stops at the first failure, drains, reports.

The loop is one thread that sleeps until something ends. Handlers run in threads of their own; waits need none.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from mlstack.core.actions import Action, Apply, ObtainImage, Outcome, Plan, Report, Result, Wait
from mlstack.core.desired import StackInventory
from mlstack.core.diff import digest
from mlstack.core.errors import MlstackError
from mlstack.core.events import (
    Emit,
    Message,
    RunStarted,
    StepBlocked,
    StepDone,
    StepFailed,
    StepInfo,
    StepStarted,
)
from mlstack.core.model import ClusterSpec, ImageSource
from mlstack.core.order import critical_path
from mlstack.core.ports import Cancelled, Journal
from mlstack.engine.access import ClusterAccess
from mlstack.engine.context import Context, Ports
from mlstack.engine.done import Done
from mlstack.engine.durations import Durations
from mlstack.engine.faults import as_error
from mlstack.engine.handlers import HANDLERS
from mlstack.engine.lanes import Lanes, guess
from mlstack.engine.summary import INTERRUPTED, summary
from mlstack.engine.waits import Baseline, WaitBoard

TICK = 0.25
"""Seconds between looks at the clock and at Ctrl-C while nothing ends."""
DRAIN_AFTER_INTERRUPT = 4.0
"""Seconds that work under way gets to end after Ctrl-C."""

End = tuple[str, Done | MlstackError | bool]
"""An action's id and how it ended; a bool tells, before it begins, that it only downloads."""


@dataclass(slots=True)
class _State:
    """Where a run stands."""

    actions: Mapping[str, Action]
    sorter: TopologicalSorter[str]
    lanes: Lanes
    ends: queue.Queue[End] = field(default_factory=queue.Queue)
    sorting: set[str] = field(default_factory=set)
    running: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    because: str = ""
    """Why no more work is handed out: a failed action's id, or INTERRUPTED."""
    give_up: float = 0.0


class Runner:
    """Carries out plans for one instance.

    access: the way to the cluster, closed by whoever made it; inventories: what was observed before the plan was made;
    cancelled: true once the user asked to stop.
    """

    def __init__(
        self,
        *,
        spec: ClusterSpec,
        access: ClusterAccess,
        ports: Ports,
        journal: Journal,
        durations: Durations,
        emit: Emit,
        cancelled: Cancelled = lambda: False,
        inventories: Mapping[str, StackInventory] | None = None,
    ) -> None:
        self._access, self._ports, self._journal, self._durations = access, ports, journal, durations
        self._emit, self._cancelled = emit, cancelled
        self._asking = threading.Lock()
        self._context = Context(spec, access, ports, emit, self._asked_to_stop, inventories or {})

    def run(self, plan: Plan) -> Report:
        """Carries out the plan and tells how each action ended. Raises only for faults of the journal."""
        needs = {action.id: action.needs for action in plan.actions}
        estimates = self._durations.estimates()
        sorter: TopologicalSorter[str] = TopologicalSorter(needs)
        sorter.prepare()
        priority = critical_path(needs, {one.id: estimates.get(one.id) or guess(one) for one in plan.actions})
        state = _State({action.id: action for action in plan.actions}, sorter, Lanes(priority))
        steps = tuple(
            StepInfo(id=one.id, title=one.title, group=one.group, estimate=estimates.get(one.id, 0.0))
            for one in plan.actions
        )
        whole = max(critical_path(needs, estimates).values(), default=0.0)
        self._emit(RunStarted(command=plan.command, instance=plan.instance, steps=steps, estimate=whole))
        started = time.monotonic()
        self._journal.begin(uuid.uuid4().hex, plan.command, digest([action.id for action in plan.actions]))
        board = WaitBoard(self._access.writer, plan.instance, self._emit, _poster(state.ends))
        try:
            self._loop(state, board)
        finally:
            board.close()
            self._durations.save()
        report = self._report(plan, state)
        self._finish(report, time.monotonic() - started)
        return report

    def _loop(self, state: _State, board: WaitBoard) -> None:
        while state.sorter.is_active():
            self._hand_out(state, board)
            if not state.running and (state.because or not state.sorting):
                return
            with contextlib.suppress(queue.Empty):
                self._take_end(state, board, *state.ends.get(timeout=TICK))
            now = time.monotonic()
            if self._asked_to_stop() and state.because != INTERRUPTED:
                self._interrupt(state, board, now)
            if state.give_up and now >= state.give_up:
                self._access.wake()
                return

    def _asked_to_stop(self) -> bool:
        return self._cancelled()

    def _interrupt(self, state: _State, board: WaitBoard, now: float) -> None:
        state.because, state.give_up = INTERRUPTED, now + DRAIN_AFTER_INTERRUPT
        self._emit(Message(text="Stopping; work under way gets a few seconds to end.", level="warning"))
        self._abandon_waits(state, board)

    def _abandon_waits(self, state: _State, board: WaitBoard) -> None:
        for action_id in board.abandon():
            state.running.pop(action_id, None)

    def _hand_out(self, state: _State, board: WaitBoard) -> None:
        for action_id in state.sorter.get_ready():
            one = state.actions[action_id]
            if isinstance(one, ObtainImage):
                self._sort(state, one)
            else:
                state.lanes.put(one)
        while not state.because and not self._asked_to_stop() and (action := state.lanes.take()) is not None:
            self._begin(state, board, action)

    def _sort(self, state: _State, action: ObtainImage) -> None:
        """Learns from where an image comes in a thread of its own: registries may be asked for it."""
        state.sorting.add(action.id)

        def ask() -> None:
            with self._asking:
                state.ends.put((action.id, self._is_fetched(action.ref)))

        threading.Thread(target=ask, daemon=True, name=f"sort {action.id}").start()

    def _begin(self, state: _State, board: WaitBoard, action: Action) -> None:
        state.running[action.id] = time.monotonic()
        self._emit(StepStarted(step=action.id))
        self._journal.record(action.id, "start", durable=not isinstance(action, Apply | Wait))
        if isinstance(action, Wait):
            baseline = self._context.baselines.get(action.resource, Baseline())
            work: Callable[[], Done | None] = lambda: board.add(action, baseline)  # noqa: E731 - one of two works
        else:
            handler = HANDLERS[type(action)]
            work = lambda: handler(self._context, action)  # noqa: E731
        post = state.ends.put

        def carry_out() -> None:
            try:
                done = work()
            except Exception as error:
                post((action.id, as_error(error)))
            else:
                if done is not None:
                    post((action.id, done))

        threading.Thread(target=carry_out, daemon=True, name=action.id).start()

    def _take_end(self, state: _State, board: WaitBoard, action_id: str, end: Done | MlstackError | bool) -> None:
        if isinstance(end, bool):
            state.sorting.discard(action_id)
            state.lanes.put(state.actions[action_id], fetched=end)
            return
        began = state.running.pop(action_id, None)
        if began is None:
            return
        seconds = time.monotonic() - began
        state.lanes.free(action_id)
        action = state.actions[action_id]
        if isinstance(end, Done):
            state.outcomes[action_id] = Outcome(action_id, Result.DONE, seconds, end.changed, end.detail)
            self._journal.record(action_id, "done", durable=not isinstance(action, Apply | Wait))
            self._durations.add(action_id, seconds)
            self._emit(StepDone(step=action_id, seconds=seconds, changed=end.changed, detail=end.detail))
            state.sorter.done(action_id)
            return
        if state.because == INTERRUPTED:
            return
        state.outcomes[action_id] = Outcome(action_id, Result.FAILED, seconds, error=end.to_dict())
        self._journal.record(action_id, "failed", {"code": end.code})
        self._emit(StepFailed(step=action_id, seconds=seconds, error=end.to_dict()))
        if not state.because:
            state.because = action_id
            self._abandon_waits(state, board)

    def _is_fetched(self, ref: str) -> bool:
        try:
            return self._ports.images.source_of(ref)[0] is not ImageSource.BUILD
        except MlstackError:
            return False

    def _report(self, plan: Plan, state: _State) -> Report:
        for action in plan.actions:
            if action.id not in state.outcomes:
                because = state.because or INTERRUPTED
                state.outcomes[action.id] = Outcome(action.id, Result.BLOCKED, because=because)
                self._emit(StepBlocked(step=action.id, because=because))
        outcomes = tuple(state.outcomes[action.id] for action in plan.actions)
        unfinished = any(outcome.result is not Result.DONE for outcome in outcomes)
        return Report(outcomes, interrupted=unfinished and self._asked_to_stop())

    def _finish(self, report: Report, seconds: float) -> None:
        finished = summary(report, seconds)
        self._journal.end(finished.outcome)
        self._emit(finished)


def _poster(ends: queue.Queue[End]) -> Callable[[str, MlstackError | None], None]:
    def post(action_id: str, error: MlstackError | None) -> None:
        ends.put((action_id, error or Done(False)))

    return post
