"""The command group: loads a command's module when it is called, suggests names, and turns every end into an exit code."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mlstack import __version__
from mlstack.cli.commands import help_text, modules
from mlstack.cli.frame import HELP_NAMES, guarded
from mlstack.core.errors import ExitCode, did_you_mean


class Commands(click.Group):
    """The commands of ``commands.SECTIONS``, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the help text."""
        return list(modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        module = modules().get(cmd_name)
        if module is None:
            return None
        found: click.Command = importlib.import_module(f"mlstack.cli.{module}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As the base class, with a suggestion for a mistyped command."""
        if args and not args[0].startswith("-") and args[0] not in modules():
            hint = did_you_mean(args[0], list(modules()))
            ctx.fail(f"there is no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """The hand-written page, the same that ``__main__`` prints without click."""
        return help_text()


@click.group(cls=Commands, context_settings=HELP_NAMES)
@click.version_option(__version__, prog_name="mlstack", message="%(prog)s %(version)s")
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="Configuration file.")
@click.option("--name", metavar="NAME", help="Instance to work on.")
@click.option("--json", "json", is_flag=True, help="Machine-readable output, one JSON object a line.")
@click.option("--plain", is_flag=True, help="Progress as plain lines, also in a terminal.")
@click.option("-v", "--verbose", is_flag=True, help="More detail: every step, logs of builds.")
def root(**_: Any) -> None:
    """A machine-learning platform on your own machine, in one command."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command line; its exit code."""

    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show (or what the user typed in another encoding) is written as \\x.., never an exception.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def body() -> ExitCode:
        try:
            result = root.main(list(arguments), prog_name="mlstack", standalone_mode=False)
        except click.exceptions.Exit as end:
            return _code(end.exit_code)
        except click.ClickException as error:
            error.show()
            return ExitCode.USAGE
        return _code(result if isinstance(result, int) else 0)

    return guarded(body, as_json="--json" in arguments)


def _code(number: int) -> ExitCode:
    return ExitCode(number) if number in list(ExitCode) else ExitCode.FAILED
