"""``mlstack stop``."""

from __future__ import annotations

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Stop the platform and keep everything.

Frees the memory and processors it uses. 'mlstack start' brings it back as it was.
"""


@make_command("stop", help=HELP)
def command(session: Session) -> ExitCode:
    """Stops the instance."""
    with session.work() as app:
        name = app.config.config.name
        report = app.stop()
    code = session.finish(report, resume="stop")
    if report.ok:
        session.say(f"'{name}' is stopped; '{session.command('start')}' starts it again.")
    return code
