"""``mlstack plan``."""

from __future__ import annotations

import click

from mlstack.cli import show
from mlstack.cli.frame import command as make_command
from mlstack.cli.session import Session
from mlstack.core.errors import ExitCode

HELP = """Show what 'up' would do, and why, without doing it.

With --json, one object with every step: id, type, group, title, reason and what it needs.
"""


@make_command("plan", settings=True, help=HELP)
@click.argument(
    "what", default="up", type=click.Choice(["up", "down", "start", "stop"]), metavar="[up|down|start|stop]"
)
def command(session: Session, what: str) -> ExitCode:
    """Shows the plan of a command."""
    return show_plan(session, what)


def show_plan(session: Session, what: str) -> ExitCode:
    """Prints the plan; used by ``up --dry-run`` as well."""
    with session.work(streaming=False) as app:
        plan = app.plan(what)
    actions = [
        {
            "id": action.id,
            "type": type(action).__name__,
            "group": action.group,
            "title": action.title,
            "why": action.why,
            "needs": sorted(action.needs),
        }
        for action in plan.actions
    ]
    data = {"instance": plan.instance, "command": plan.command, "actions": actions, "notes": list(plan.notes)}
    session.data("Plan", {**data, "unchanged": [str(resource) for resource in plan.unchanged]})
    for line in show.plan_lines(plan, verbose=session.options.verbose):
        session.say(line)
    return ExitCode.OK
