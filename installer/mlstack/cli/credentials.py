"""``mlstack credentials``."""

from __future__ import annotations

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Show the generated logins.

They were made at random for this instance and are kept in its cluster only. This command is the
only one that prints them; NAME picks one, as named by 'mlstack status'.
"""


@make_command("credentials", help=HELP)
@click.argument("credential", required=False, metavar="[NAME]")
def command(session: Session, credential: str | None) -> ExitCode:
    """Prints logins."""
    with session.work(streaming=False) as app:
        found = app.credentials(credential)
    session.data("Credentials", found)
    for line in show.credential_lines(found):
        session.say(line)
    if not found:
        session.note("No installed stack has a login.")
    return ExitCode.OK
