"""``mlstack up``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlstack.app.unchanged import Asked
from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.landing.board import Ending
from mlstack.cli.quick import told_of
from mlstack.cli.session import Session, plain
from mlstack.core.errors import ExitCode
from mlstack.core.events import EVENTS_VERSION

if TYPE_CHECKING:
    from mlstack.cli.landing.page import Page

HELP = """Bring the platform up, or back to what the configuration says.

Makes a Kubernetes cluster on this machine, obtains the container images (pulled, or built when no
registry can be reached), installs the stacks of the profile and waits until all of it is ready.
What is there already is left alone, so a second 'up' is quick, and an interrupted one goes on where
it stopped.

If the machine lacks something, such as a container engine, 'up' says what it would change and asks
first.

At a terminal, progress is also shown on a local web page, the landing page, whose address is the
first line. After a failure it stays until you resume there or press Enter.
"""


@make_command("up", settings=True, help=HELP)
@click.option("-y", "--yes", is_flag=True, help="Agree to the changes to this machine without being asked.")
@click.option("--no-host-changes", is_flag=True, help="Never change this machine itself; fail if that would be needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done, as 'mlstack plan'.")
@click.option(
    "--ui/--no-ui",
    default=None,
    envvar="MLSTACK_UI",
    help="Show progress on a local web page, the landing page. Default: at a terminal, not in CI.",
)
def command(session: Session, yes: bool, no_host_changes: bool, dry_run: bool, ui: bool | None) -> ExitCode:
    """Runs ``up`` and tells how to go on."""
    if dry_run:
        from mlstack.cli.plan import show_plan

        return show_plan(session, "up")
    from mlstack.cli.landing.page import Page, is_attended, is_wanted

    if not is_wanted(session, ui):
        return bring_up(session, yes=yes, no_host_changes=no_host_changes).code
    with Page(session, attended=is_attended(session)) as page:
        return page.attend(lambda: bring_up(session, yes=yes, no_host_changes=no_host_changes, page=page))


def bring_up(session: Session, *, yes: bool, no_host_changes: bool, page: Page | None = None) -> Ending:
    """One attempt, with its result told. page: follows it. Raises MlstackError when it cannot begin."""

    def confirm(changes: Sequence[str]) -> bool:
        with page.asking(changes) if page else nullcontext():
            return confirm_host_changes(session, changes, yes=yes)

    flags = {"host.changes": False} if no_host_changes else {}
    with session.work(flags=flags, watch=page.emit if page else None) as app:
        if page:
            page.show()
        report = app.up(confirm, host_changes=app.config.config.host.changes and not no_host_changes)
        status = app.status() if report.ok else None
        lines = show.summary(status, session.command) if status else []
        if status and not no_host_changes:
            app.settle(_asked(session), told_of(plain(status), lines, EVENTS_VERSION))
    code = session.finish(report, resume=_again(session))
    if status is not None:
        session.data("Status", status)
        for line in lines:
            session.say(line)
    return Ending(code, status)


def _again(session: Session) -> str:
    """The command that goes on with the same settings: without ``--set`` it would take them back."""
    return " ".join(["up", *(f"--set {shlex.quote(text)}" for text in session.options.sets)])


def _asked(session: Session) -> Asked:
    options = session.options
    file = str(options.file) if options.file else ""
    return Asked(file, options.name or "", options.profile or "", options.sets, str(Path.cwd()))


def confirm_host_changes(session: Session, changes: Sequence[str], *, yes: bool) -> bool:
    """Shows what would change on this machine and asks. Root without a terminal goes on and says so; others must say --yes."""
    asked = sys.stdin.isatty() and not session.options.json
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    lines = [
        "",
        "This machine needs changes before the platform can run on it:",
        *(f"  - {change}" for change in changes),
    ]
    if not yes and not asked:
        going_on = "Nobody to ask (no terminal); running as root, so they are made now. --no-host-changes forbids them."
        lines.append(going_on if is_root else "Nobody to ask (no terminal): --yes agrees to them.")
    return session.confirm("Make these changes?", lines, yes=yes, unattended=is_root)
