"""``mlstack status``."""

from __future__ import annotations

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Show what is running, and where.

Ends with 0 when everything is ready and with 4 when it is not (yet).
"""


@make_command("status", help=HELP)
def command(session: Session) -> ExitCode:
    """Shows the instance."""
    with session.work(streaming=False) as app:
        status = app.status()
    session.data("Status", status)
    for line in show.status_lines(status, session.command):
        session.say(line)
    return ExitCode.OK if status.ready else ExitCode.NOT_READY
