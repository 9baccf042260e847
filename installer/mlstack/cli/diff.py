"""``mlstack diff``."""

from __future__ import annotations

from mlstack.cli import words
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Show how the platform differs from the configuration, object by object.

Lines with '-' are there now, lines with '+' are what 'up' would make of them. Values of Secrets are not shown.
"""


@make_command("diff", settings=True, help=HELP)
def command(session: Session) -> ExitCode:
    """Shows the differences."""
    with session.work(streaming=False) as app:
        found = app.diff()
    session.data("Diff", found)
    for difference in found:
        session.say(f"{difference.change} {difference.resource} ({difference.stack})")
        if difference.text:
            session.say(difference.text.rstrip("\n"))
    session.say(f"{words.plural(len(found), 'object')} to change." if found else "No difference.")
    return ExitCode.OK
