"""``mlstack test``."""

from __future__ import annotations

from pathlib import Path

import click

from mlstack.cli import words
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode
from mlstack.core.results import TestReport

HELP = """Check that the running platform really works.

Runs every sample and checks its result, and every endpoint. Ends with 0 only when all passed.
"""


@make_command("test", help=HELP)
@click.option("--stack", metavar="NAME", help="Only the checks of one stack.")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit XML, for CI systems."
)
def command(session: Session, stack: str | None, junit: Path | None) -> ExitCode:
    """Runs the checks."""
    with session.work() as app:
        report = app.test(stack, junit)
    return show_report(session, report)


def show_report(session: Session, report: TestReport) -> ExitCode:
    """The checks with their outcome, one a line, and the sum."""
    session.data("TestReport", report)
    for case in report.cases:
        state = "FAILED" if case.error else "skipped" if case.skipped else "passed"
        reason = case.error or case.skipped
        session.say(
            f"{state:<8} {case.stack}: {case.name} ({words.duration(case.seconds)}){f': {reason}' if reason else ''}"
        )
    failed = sum(bool(case.error) for case in report.cases)
    session.say(f"{words.plural(len(report.cases), 'check')}, {failed} failed, {words.duration(report.seconds)}.")
    return ExitCode.OK if report.ok else ExitCode.FAILED
