"""``mlstack verify``."""

from __future__ import annotations

from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.cli.test import show_report
from mlstack.core.errors import ExitCode

HELP = """Attack the platform itself and say what got through.

--auth sends every route of the gateway a list of requests that must be refused: without a login,
with forged headers, made-up sessions, tokens that were altered, made for somebody else or lack the
route's role, and paths written in ways that might slip by. Each route is also asked with a valid
token, which must pass. Only this platform's gateway on this machine is asked.

--tenants makes two profiles and tries from a pod of the one, with its rights and keys, to get at
the other's pods, services, secrets, runs and objects. The other one tries the same on itself,
which must work. Both profiles are deleted at the end, also after Ctrl-C. --auth includes it where
the platform has profiles.

Ends with 0 only when nothing got through.
"""


@make_command("verify", help=HELP)
@click.option("--auth", is_flag=True, help="Attack the login at the gateway, and the walls between profiles.")
@click.option("--tenants", is_flag=True, help="Attack the walls between profiles only.")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit XML, for CI systems."
)
def command(session: Session, auth: bool, tenants: bool, junit: Path | None) -> ExitCode:
    """Runs the attacks."""
    if not (auth or tenants):
        raise click.UsageError("say what to attack: --auth or --tenants")
    with session.work() as app:
        report = app.verify(("auth", "tenants") if auth else ("tenants",), junit)
    return show_report(session, report)
