"""``mlstack verify``."""

from __future__ import annotations

from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.cli.test import show_report
from mlstack.core.errors import ExitCode

HELP = """Attack the platform's own login and say what got through.

Sends every route of the gateway a list of requests that must be refused: without a login, with
forged headers, made-up sessions, tokens that were altered or made for somebody else, and paths
written in ways that might slip by. Each route is also asked with a valid token, which must pass.
Only this platform's gateway on this machine is asked. Ends with 0 only when nothing got through.
"""


@make_command("verify", help=HELP)
@click.option("--auth", is_flag=True, required=True, help="Attack the login at the gateway.")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the results as JUnit XML, for CI systems."
)
def command(session: Session, auth: bool, junit: Path | None) -> ExitCode:  # noqa: ARG001  # the only kind so far
    """Runs the attacks."""
    with session.work() as app:
        report = app.verify_auth(junit)
    return show_report(session, report)
