"""``mlstack support-bundle``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Collect what a bug report needs into one file: configuration, versions, states, events,
logs. Secrets are taken out.
"""


@make_command("support-bundle", help=HELP)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it. Default: here, by date."
)
def command(session: Session, output: Path | None) -> ExitCode:
    """Writes the bundle."""
    path = output or Path(f"mlstack-support-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    with session.work(streaming=False) as app:
        written = app.support_bundle(path)
    session.data("SupportBundle", {"path": str(written)})
    session.say(f"Written: {written}. Look it through before you send it.")
    return ExitCode.OK
