"""``mlstack start``."""

from __future__ import annotations

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Start a stopped platform again, also after a reboot.

Starts the container engine if mlstack started it before, then the cluster, and waits until
everything is ready.
"""


@make_command("start", help=HELP)
def command(session: Session) -> ExitCode:
    """Starts the instance."""
    with session.work() as app:
        report = app.start()
        status = app.status() if report.ok else None
    code = session.finish(report, resume="start")
    if status is not None:
        session.data("Status", status)
        for line in show.summary(status, session.command):
            session.say(line)
    return code
