"""``mlstack logs``."""

from __future__ import annotations

import click

from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Show the log of a stack's programs.

STACK is a name such as 'minio'; 'mlstack stack list' shows all.
"""


@make_command("logs", short_file=False, help=HELP)
@click.argument("stack")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--tail", type=click.IntRange(min=0), default=100, show_default=True, help="Lines of the past to show; 0 for all."
)
def command(session: Session, stack: str, follow: bool, tail: int) -> ExitCode:
    """Prints log lines as they come."""
    with session.work(streaming=False) as app:
        for line in app.logs(stack, follow, tail):
            if session.options.json:
                session.data("LogLine", {"time": line.time, "source": line.source, "text": line.text})
            else:
                print(f"{line.source} | {line.text}", flush=follow)
    return ExitCode.OK
