"""The workers of a run: hands out actions in dependency order, each worker taking its next one itself, until all is done,
something failed, or the user asked to stop.

One lock guards the state of the run. Handlers run outside of it, in threads; whoever ends an action hands out what that
made possible, without a detour through another thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from graphlib import TopologicalSorter

from mlstack.core.actions import Action, Apply, ObtainImage, Outcome, Plan, Result, Wait
from mlstack.core.errors import MlstackError
from mlstack.core.events import Message, StepDone, StepFailed, StepStarted
from mlstack.core.model import ImageSource
from mlstack.core.ports import Journal
from mlstack.engine.baseline import Baseline
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.durations import Durations
from mlstack.engine.faults import as_error
from mlstack.engine.handlers import HANDLERS
from mlstack.engine.lanes import Lanes
from mlstack.engine.summary import INTERRUPTED
from mlstack.engine.waits import WaitBoard

TICK = 0.25
"""Seconds between looks at Ctrl-C."""
DRAIN_AFTER_INTERRUPT = 4.0
"""Seconds that work under way gets to end after Ctrl-C."""


class Crew:
    """Carries out one plan. outcomes: of the actions that ended; because: why work stopped being handed out, a failed
    action's id or INTERRUPTED, empty when it never did."""

    def __init__(
        self, plan: Plan, context: Context, journal: Journal, durations: Durations, priority: Mapping[str, float]
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.because = ""
        self._actions = {action.id: action for action in plan.actions}
        self._context, self._journal, self._durations = context, journal, durations
        self._sorter: TopologicalSorter[str] = TopologicalSorter({one.id: one.needs for one in plan.actions})
        self._sorter.prepare()
        self._lanes = Lanes(priority)
        self._board = WaitBoard(context.access.writer, plan.instance, context.emit, self._wait_ended)
        self._changed = threading.Condition(threading.RLock())
        self._asking = threading.Lock()
        self._sorting: set[str] = set()
        self._running: dict[str, float] = {}
        self._fault: Exception | None = None

    def work(self) -> None:
        """Returns when nothing runs any more, or some seconds after Ctrl-C. Raises only what the journal or the
        listener raised."""
        give_up = 0.0
        try:
            with self._changed:
                self._start(self._hand_out(""))
                while not self._finished():
                    self._changed.wait(TICK)
                    now = time.monotonic()
                    if self._context.cancelled() and self.because != INTERRUPTED:
                        give_up = now + DRAIN_AFTER_INTERRUPT
                        self._interrupt()
                    if give_up and now >= give_up:
                        break
                if self._fault is not None:
                    raise self._fault
            if self._running:
                self._context.access.wake()
        finally:
            self._board.close()

    def _finished(self) -> bool:
        if self._fault is not None or not self._sorter.is_active():
            return True
        return not self._running and (bool(self.because) or not self._sorting)

    def _interrupt(self) -> None:
        self.because = INTERRUPTED
        self._context.emit(Message(text="Stopping; work under way gets a few seconds to end.", level="warning"))
        self._abandon_waits()

    def _abandon_waits(self) -> None:
        for action_id in self._board.abandon():
            self._running.pop(action_id, None)

    def _hand_out(self, lane: str) -> Action | None:
        """Begins all that may begin now, each in a thread of its own but one of ``lane``, which the caller goes on with."""
        for action_id in self._sorter.get_ready():
            one = self._actions[action_id]
            if isinstance(one, ObtainImage):
                self._sort(one)
            else:
                self._lanes.put(one)
        kept: Action | None = None
        while not self.because and not self._context.cancelled() and (action := self._lanes.take()) is not None:
            self._running[action.id] = time.monotonic()
            self._context.emit(StepStarted(step=action.id))
            self._journal.record(action.id, "start", durable=not isinstance(action, Apply | Wait))
            if kept is None and self._lanes.lane_of(action) == lane:
                kept = action
            else:
                self._start(action)
        return kept

    def _start(self, action: Action | None) -> None:
        if action is not None:
            threading.Thread(target=self._carry_on, args=(action,), daemon=True, name=action.id).start()

    def _carry_on(self, action: Action) -> None:
        """A worker's life: one action after the other while there are any in its lane."""
        following: Action | None = action
        while following is not None:
            end = self._do(following)
            following = self._then(following, end)

    def _do(self, action: Action) -> Done | MlstackError | None:
        """Carries out an action; None for a wait, which ends later."""
        try:
            if isinstance(action, Wait):
                self._board.add(action, self._context.baselines.get(action.resource, Baseline()))
                return None
            return HANDLERS[type(action)](self._context, action)
        except Exception as error:
            return as_error(error)

    def _then(self, action: Action, end: Done | MlstackError | None) -> Action | None:
        with self._changed:
            try:
                if end is not None:
                    self._take_end(action.id, end)
                following = self._hand_out(self._lanes.lane_of(action))
            except Exception as error:  # nobody else would hear of it: the run would wait for this worker for ever
                self._fault, following = error, None
            if following is None:
                self._changed.notify_all()
            return following

    def _wait_ended(self, action_id: str, error: MlstackError | None) -> None:
        with self._changed:
            self._start(self._then(self._actions[action_id], error or Done(False)))

    def _sort(self, action: ObtainImage) -> None:
        """Learns from where an image comes in a thread of its own: registries may be asked for it."""
        self._sorting.add(action.id)

        def ask() -> None:
            with self._asking:
                fetched = self._is_fetched(action.ref)
            with self._changed:
                self._sorting.discard(action.id)
                self._lanes.put(action, fetched)
                self._start(self._then(action, None))

        threading.Thread(target=ask, daemon=True, name=f"sort {action.id}").start()

    def _is_fetched(self, ref: str) -> bool:
        try:
            return self._context.ports.images.source_of(ref)[0] is not ImageSource.BUILD
        except MlstackError:
            return False

    def _take_end(self, action_id: str, end: Done | MlstackError) -> None:
        began = self._running.pop(action_id, None)
        if began is None:
            return
        seconds = time.monotonic() - began
        self._lanes.free(action_id)
        if isinstance(end, Done):
            durable = not isinstance(self._actions[action_id], Apply | Wait)
            self.outcomes[action_id] = Outcome(action_id, Result.DONE, seconds, end.changed, end.detail)
            self._journal.record(action_id, "done", durable=durable)
            self._durations.add(action_id, seconds)
            self._context.emit(StepDone(step=action_id, seconds=seconds, changed=end.changed, detail=end.detail))
            self._sorter.done(action_id)
        elif self.because != INTERRUPTED:
            self._failed(action_id, end, seconds)

    def _failed(self, action_id: str, error: MlstackError, seconds: float) -> None:
        self.outcomes[action_id] = Outcome(action_id, Result.FAILED, seconds, error=error.to_dict())
        self._journal.record(action_id, "failed", {"code": error.code})
        self._context.emit(StepFailed(step=action_id, seconds=seconds, error=error.to_dict()))
        if not self.because:
            self.because = action_id
            self._abandon_waits()
