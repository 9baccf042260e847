"""``mlstack stack``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.results import StackInfo

command = make_group("stack", "List the stacks and their parameters.")


@make_command("list", settings=True, help="List the stacks that can be installed, with the version in use.")
def list_stacks(session: Session) -> ExitCode:
    """Prints all stacks."""
    with session.work(streaming=False) as app:
        found = app.stacks()
    session.data("Stacks", found)
    for line in show.stack_rows(found):
        session.say(line)
    return ExitCode.OK


@make_command(
    "show", settings=True, help="Show a stack or addon: versions, what it needs and offers, parameters, images."
)
@click.argument("stack")
def show_stack(session: Session, stack: str) -> ExitCode:
    """Prints one stack."""
    info = _find(session, stack)
    session.data("Stack", info)
    for line in show.stack_lines(info):
        session.say(line)
    return ExitCode.OK


PARAMS = """List the parameters of a stack or addon.

Set one in mlstack.yaml (stacks: {NAME: {params: {...}}}) or with --set
stacks.NAME.params.PARAM=VALUE.
"""


@make_command("params", settings=True, help=PARAMS)
@click.argument("stack")
def params(session: Session, stack: str) -> ExitCode:
    """Prints the parameters of one stack."""
    info = _find(session, stack)
    session.data("Params", info.params)
    for line in show.param_lines(info.params) if info.params else [f"'{info.name}' has no parameters."]:
        session.say(line)
    return ExitCode.OK


def _find(session: Session, name: str) -> StackInfo:
    with session.work(streaming=False) as app:
        return find_stack([*app.stacks(), *app.addons()], name)


def find_stack(found: Sequence[StackInfo], name: str) -> StackInfo:
    """The stack or addon of that name. Raises ``stack.unknown`` with a suggestion."""
    for info in found:
        if info.name == name:
            return info
    remedy = did_you_mean(name, [info.name for info in found])
    raise MlstackError("stack.unknown", f"there is no stack '{name}'", remedy=remedy, exit_code=ExitCode.USAGE)


for _subcommand in (list_stacks, show_stack, params):
    command.add_command(_subcommand)
