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

With --rotate the secret NAME gets new random values, and everything that reads it is started anew
with them. Besides the logins these are the secrets that components share; a wrong name lists them.
"""


@make_command("credentials", help=HELP)
@click.argument("credential", required=False, metavar="[NAME]")
@click.option("--rotate", is_flag=True, help="Make it anew.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(session: Session, credential: str | None, rotate: bool, yes: bool) -> ExitCode:
    """Prints logins, or makes one anew."""
    if rotate:
        return _rotate(session, credential, yes)
    with session.work(streaming=False) as app:
        found = app.credentials(credential)
    session.data("Credentials", found)
    for line in show.credential_lines(found):
        session.say(line)
    if not found:
        session.note("No installed stack has a login.")
    return ExitCode.OK


def _rotate(session: Session, name: str | None, yes: bool) -> ExitCode:
    if name is None:
        raise click.UsageError("--rotate needs the NAME of what is to be made anew")
    with session.work() as app:
        lines = ["Who uses the old value is refused from then on; people may have to log in again."]
        session.require_yes(f"Make '{name}' anew?", lines, yes=yes, remedy="give --yes if you are sure")
        report = app.rotate_credential(name)
    code = session.finish(report, resume="up")
    if report.ok:
        session.say(f"'{name}' has new values.")
    return code
