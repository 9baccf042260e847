"""The last event of a run."""

from __future__ import annotations

from mlstack.core.actions import Report, Result
from mlstack.core.events import RunFinished

INTERRUPTED = "interrupted"


def summary(report: Report, seconds: float) -> RunFinished:
    """How a run ended, in counts."""
    counts = {result: sum(1 for one in report.outcomes if one.result is result) for result in Result}
    return RunFinished(
        outcome="ok" if report.ok else INTERRUPTED if report.interrupted else "failed",
        seconds=seconds,
        done=counts[Result.DONE],
        failed=counts[Result.FAILED],
        blocked=counts[Result.BLOCKED],
        changed=sum(1 for one in report.outcomes if one.changed),
    )
