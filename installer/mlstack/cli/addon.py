"""``mlstack addon``."""

from __future__ import annotations

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

command = make_group("addon", "List, enable and disable addons: optional parts that are off by default.")


@make_command("list", settings=True, help="List the addons, and which are on.")
def list_addons(session: Session) -> ExitCode:
    """Prints all addons."""
    with session.work(streaming=False) as app:
        found = app.addons()
    session.data("Addons", found)
    for line in show.stack_rows(found) if found else ["No addons are shipped with this release."]:
        session.say(line)
    return ExitCode.OK


@make_command("enable", help="Install an addon on the running platform, and with every later 'up'.")
@click.argument("addon")
def enable(session: Session, addon: str) -> ExitCode:
    """Turns an addon on."""
    return _set(session, addon, enabled=True)


@make_command("disable", help="Remove an addon from the platform. Its data volumes are kept.")
@click.argument("addon")
def disable(session: Session, addon: str) -> ExitCode:
    """Turns an addon off."""
    return _set(session, addon, enabled=False)


def _set(session: Session, name: str, *, enabled: bool) -> ExitCode:
    verb = "enable" if enabled else "disable"
    with session.work() as app:
        report = app.set_addon(name, enabled)
    code = session.finish(report, resume=f"addon {verb} {name}")
    if report.ok:
        session.say(f"{name} is {'installed' if enabled else 'removed'}.")
    return code


for _subcommand in (list_addons, enable, disable):
    command.add_command(_subcommand)
