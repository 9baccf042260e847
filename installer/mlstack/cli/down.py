"""``mlstack down``."""

from __future__ import annotations

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Remove the platform from this machine.

Deletes the cluster and everything mlstack made for this instance. The data volumes (MinIO's
objects, MySQL's databases) are kept for the next 'up' unless --purge is given, and so are profile
and addons that were chosen by command. Downloads and built images stay in the cache;
'mlstack images prune --all' empties it. With --purge the last instance also ends a container engine
that mlstack itself started.
"""


@make_command("down", help=HELP)
@click.option("--purge", is_flag=True, help="Delete the data volumes too. This cannot be undone.")
@click.option(
    "--undo-host",
    is_flag=True,
    help="Take back what was changed on this machine too: engine, packages, kernel settings.",
)
@click.option("-y", "--yes", is_flag=True, help="With --purge or --undo-host: do not ask.")
def command(session: Session, purge: bool, undo_host: bool, yes: bool) -> ExitCode:
    """Removes the instance."""
    with session.work() as app:
        name = app.config.config.name
        lines = [f"All data of '{name}' will be deleted: objects, databases, results of runs."] if purge else []
        lines += ["The container engine and all else that mlstack installed on this machine go."] if undo_host else []
        if lines:
            remedy = "give --yes if you are sure, or leave out --purge and --undo-host"
            session.require_yes(f"Remove '{name}' like that?", lines, yes=yes, remedy=remedy)
        report = app.down(purge, undo_host)
    flags = f"{' --purge' if purge else ''}{' --undo-host' if undo_host else ''}{' --yes' if lines else ''}"
    code = session.finish(report, resume=f"down{flags}")
    if report.ok:
        session.say(f"'{name}' is removed{', with its data' if purge else '; its data is kept'}.")
    return code
