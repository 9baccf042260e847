"""``mlstack config``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlstack.cli import show, words
from mlstack.cli.frame import command as make_command
from mlstack.cli.group import make_group
from mlstack.cli.session import Session
from mlstack.core.config import Resolved
from mlstack.core.errors import ExitCode
from mlstack.core.redact import redact

command = make_group("config", "Show and check the configuration.")

SHOW = """Show the configuration in force.

Values come, in this order, from flags, MLSTACK_* variables, the configuration file, the release,
and built-in defaults; --origin tells which for every value.
"""


@make_command("show", settings=True, help=SHOW)
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
def show_config(session: Session, origin: bool) -> ExitCode:
    """Prints every value."""
    with session.work(streaming=False) as app:
        resolved = app.config
    leaves = [
        {"path": path, "value": value, "origin": origin_of.kind, "where": origin_of.where}
        for path, value, origin_of in resolved.leaves()
    ]
    session.data("Config", leaves)
    for line in config_lines(resolved, origin=origin):
        session.say(line)
    return ExitCode.OK


VALIDATE = """Check the configuration without doing anything.

Every problem is told at once, with its place: file and line, variable or flag.
"""


@make_command("validate", settings=True, help=VALIDATE)
def validate(session: Session) -> ExitCode:
    """Checks by opening the app, which resolves and validates everything; asking for the stacks checks names and parameters."""
    with session.work(streaming=False) as app:
        resolved = app.config
        stacks = [info.name for info in (*app.stacks(), *app.addons()) if info.enabled]
    where = resolved.file or "no configuration file"
    session.data("Valid", {"file": resolved.file, "name": resolved.config.name, "stacks": stacks})
    session.say(
        f"The configuration is valid ({where}): '{resolved.config.name}' with {words.plural(len(stacks), 'stack')}."
    )
    return ExitCode.OK


SCHEMA = """Print the JSON Schema of mlstack.yaml, for editors that check while you type."""


@make_command("schema", help=SCHEMA)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to a file.")
def schema(session: Session, output: Path | None) -> ExitCode:
    """Prints or writes the schema."""
    from mlstack.core.config import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
        session.note(f"written: {output}")
    return ExitCode.OK


def config_lines(resolved: Resolved, *, origin: bool) -> list[str]:
    """``path: value`` lines, with the origin as a third column if wanted; logins in proxy URLs are masked."""
    rows = []
    for path, value, origin_of in resolved.leaves():
        text = redact(json.dumps(value, ensure_ascii=False, default=str))
        rows.append((path, text, str(origin_of)) if origin else (path, text))
    return show.table(rows, ("PATH", "VALUE", "ORIGIN") if origin else ())


for _subcommand in (show_config, validate, schema):
    command.add_command(_subcommand)
