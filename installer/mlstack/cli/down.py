"""``mlstack down``."""

from __future__ import annotations

import sys

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode, MlstackError

HELP = """Remove the platform from this machine.

Deletes the cluster and everything mlstack made for this instance. The data volumes (MinIO's
objects, MySQL's databases) are kept for the next 'up' unless --purge is given. Downloads and built
images stay in the cache; 'mlstack images prune --all' empties it.
"""


@make_command("down", help=HELP)
@click.option("--purge", is_flag=True, help="Delete the data volumes too. This cannot be undone.")
@click.option("-y", "--yes", is_flag=True, help="With --purge: do not ask.")
def command(session: Session, purge: bool, yes: bool) -> ExitCode:
    """Removes the instance."""
    with session.work() as app:
        name = app.config.config.name
        lines = [f"All data of '{name}' will be deleted: objects, databases, results of runs."] if purge else []
        if purge and not session.confirm(f"Delete all data of '{name}'?", lines, yes=yes, unattended=False):
            answered = sys.stdin.isatty() and not session.options.json
            raise MlstackError(
                "cli.not-confirmed",
                "nothing was deleted",
                why="the answer was no" if answered else "there is no terminal to ask on",
                remedy="give --yes if you are sure, or leave out --purge to keep the data",
                exit_code=ExitCode.USAGE,
            )
        report = app.down(purge)
    code = session.finish(report, resume="down --purge --yes" if purge else "down")
    if report.ok:
        session.say(f"'{name}' is removed{', with its data' if purge else '; its data is kept'}.")
    return code
