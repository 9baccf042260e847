"""Runs any plan and reports: up, down, upgrade, enable, disable, start, stop are all this one function."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlstack.core.actions import Outcome, Plan, Report, Result
from mlstack.core.desired import StackInventory
from mlstack.core.diff import digest
from mlstack.core.events import Emit, RunStarted, StepBlocked, StepInfo
from mlstack.core.model import ClusterSpec
from mlstack.core.order import critical_path
from mlstack.core.ports import Cancelled, Journal
from mlstack.engine.access import ClusterAccess
from mlstack.engine.context import Context, Ports
from mlstack.engine.durations import Durations
from mlstack.engine.summary import INTERRUPTED, summary

if TYPE_CHECKING:
    from mlstack.engine.crew import Crew


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
        self._journal, self._durations = journal, durations
        self._context = Context(spec, access, ports, emit, cancelled, inventories or {})

    def run(self, plan: Plan) -> Report:
        """Carries out the plan and tells how each action ended. Raises only for faults of the journal."""
        started = time.monotonic()
        estimates = self._durations.estimates()
        self._announce(plan, estimates)
        self._journal.begin(uuid.uuid4().hex, plan.command, digest([action.id for action in plan.actions]))
        report = self._carry_out(plan, estimates) if plan.actions else Report(())
        finished = summary(report, time.monotonic() - started)
        self._journal.end(finished.outcome)
        self._context.emit(finished)
        return report

    def _carry_out(self, plan: Plan, estimates: Mapping[str, float]) -> Report:
        # Imported here: a run that finds nothing to do, the most frequent one, needs none of the handlers.
        from mlstack.engine.crew import Crew
        from mlstack.engine.lanes import seconds_of

        seconds = {one.id: seconds_of(one, estimates.get(one.id)) for one in plan.actions}
        priority = critical_path({one.id: one.needs for one in plan.actions}, seconds)
        crew = Crew(plan, self._context, self._journal, self._durations, priority)
        try:
            crew.work()
        finally:
            self._durations.save()
        return self._report(plan, crew)

    def _announce(self, plan: Plan, estimates: Mapping[str, float]) -> None:
        steps = tuple(
            StepInfo(
                id=one.id,
                title=one.title,
                group=one.group,
                estimate=estimates.get(one.id, 0.0),
                needs=tuple(sorted(one.needs)),
            )
            for one in plan.actions
        )
        whole = critical_path({one.id: one.needs for one in plan.actions}, estimates)
        estimate = max(whole.values(), default=0.0)
        self._context.emit(RunStarted(command=plan.command, instance=plan.instance, steps=steps, estimate=estimate))

    def _report(self, plan: Plan, crew: Crew) -> Report:
        outcomes = []
        for action in plan.actions:
            outcome = crew.outcomes.get(action.id)
            if outcome is None:
                because = crew.because or INTERRUPTED
                outcome = Outcome(action.id, Result.BLOCKED, because=because)
                self._context.emit(StepBlocked(step=action.id, because=because))
            outcomes.append(outcome)
        unfinished = any(outcome.result is not Result.DONE for outcome in outcomes)
        return Report(tuple(outcomes), interrupted=unfinished and self._context.cancelled())
