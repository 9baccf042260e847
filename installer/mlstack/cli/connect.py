"""``mlstack connect``."""

from __future__ import annotations

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.cli.showaccess import connection_lines, connection_rows
from mlstack.core.accessrequests import Ask, Form, Via
from mlstack.core.errors import ExitCode

HELP = """Set up a client of an endpoint, from here or from CI.

Without NAME it lists the endpoints. With NAME it says how to reach one; --print writes what a
client needs, with the login in it: variables (eval "$(mlstack connect s3 --print env)"), a Python
program, or a curl command. Where the gateway asks for a login, that is a token which is made for
this call and ends by itself.
"""


@make_command("connect", help=HELP)
@click.argument("endpoint", required=False, metavar="[NAME]")
@click.option("--print", "form", type=click.Choice(["env", "python", "curl"]), help="Print what a client needs.")
@click.option("--via", type=click.Choice(["gateway", "host"]), help="Through the gateway, or by the port on this host.")
@click.option("--account", default="", metavar="NAMESPACE/NAME", help="Service account that a token is made for.")
@click.option(
    "--seconds",
    type=click.IntRange(600, 86400),
    default=3600,
    show_default=True,
    metavar="N",
    help="How long a token is valid.",
)
def command(
    session: Session, endpoint: str | None, form: Form | None, via: Via | None, account: str, seconds: int
) -> ExitCode:
    """Prints a client's set-up."""
    if endpoint is None:
        if form or via or account:
            raise click.UsageError("name an endpoint; 'mlstack connect' lists them")
        with session.work(streaming=False) as app:
            listed = app.connections()
        session.data("Connections", listed)
        for line in connection_rows(listed, session.command):
            session.say(line)
        return ExitCode.OK
    ask = Ask(name=endpoint, form=form or "", via=via or "", account=account, seconds=seconds)
    with session.work(streaming=False) as app:
        found = app.connect(ask)
    session.data("Connection", found)
    for line in [found.text] if form else connection_lines(found, session.command):
        session.say(line)
    return ExitCode.OK
