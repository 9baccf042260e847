"""``mlstack doctor``."""

from __future__ import annotations

import click

from mlstack.cli import show, words
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode
from mlstack.core.results import CheckState

HELP = """Check the machine and the platform, and say what to do about what is wrong.

Ends with 0 when nothing failed (warnings are fine) and with 3 otherwise.
"""


@make_command("doctor", help=HELP)
@click.option("--fix", is_flag=True, help="Mend what can be mended without losing data.")
def command(session: Session, fix: bool) -> ExitCode:
    """Runs the checks."""
    with session.work(streaming=False) as app:
        checks = app.doctor(fix)
    session.data("Checks", checks)
    for line in show.check_lines(checks):
        session.say(line)
    failed = sum(check.state is CheckState.FAILED for check in checks)
    warnings = sum(check.state is CheckState.WARNING for check in checks)
    session.say()
    session.say(f"{words.plural(len(checks), 'check')}: {failed} failed, {words.plural(warnings, 'warning')}.")
    return ExitCode.PREFLIGHT if failed else ExitCode.OK
