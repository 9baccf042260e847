"""What every command has in common: its general options, and the way errors leave it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlstack.cli.session import Options, Session, fail
from mlstack.core.errors import ExitCode, MlstackError

F = TypeVar("F", bound=Callable[..., Any])
Body = Callable[..., ExitCode | None]
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def options(*, settings: bool = False, short_file: bool = True) -> Callable[[F], F]:
    """The general options; settings adds those that change the configuration for this call; short_file: ``-f`` is ``--file``."""
    file_names = ["-f", "--file"] if short_file else ["--file"]
    file = click.option(*file_names, type=click.Path(path_type=Path), metavar="FILE", help="Configuration file.")

    def decorate(function: F) -> F:
        for option in reversed([file, *_GENERAL, *(_SETTINGS if settings else [])]):
            function = option(function)
        return function

    return decorate


_GENERAL = [
    click.option("--name", metavar="NAME", help="Instance to work on."),
    click.option("--json", "json", is_flag=True, help="Machine-readable output, one JSON object a line."),
    click.option("--plain", is_flag=True, help="Progress as plain lines, also in a terminal."),
    click.option("-v", "--verbose", is_flag=True, help="More detail: every step, logs of builds."),
]
_SETTINGS = [
    click.option("--profile", metavar="NAME", help="Named set of stacks to install, such as 'minimal'."),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="PATH=VALUE",
        help="A configuration value for this call, such as provider.kind.nodes=2. May be repeated.",
    ),
]


def command(
    name: str, *, settings: bool = False, short_file: bool = True, **attributes: Any
) -> Callable[[Body], click.Command]:
    """Makes a command of a function that takes a Session and its own options, and returns an exit code or None for 0."""

    def decorate(function: Body) -> click.Command:
        @functools.wraps(function)
        def body(**values: Any) -> None:
            session = Session(_options(values))
            click.get_current_context().exit(guarded(lambda: function(session, **values), as_json=session.options.json))

        make: Callable[[Callable[..., None]], click.Command]
        make = click.command(name, context_settings=HELP_NAMES, **attributes)
        return make(options(settings=settings, short_file=short_file)(body))

    return decorate


def _options(values: dict[str, Any]) -> Options:
    """Takes the general options out of a command's values; what the command leaves open comes from before the command."""
    outer: dict[str, Any] = click.get_current_context().find_root().params
    own = {name: values.pop(name, None) for name in ("file", "name", "profile", "sets", "json", "plain", "verbose")}
    merged = {name: own[name] or outer.get(name) for name in own}
    return Options(
        file=merged["file"],
        name=merged["name"],
        profile=merged["profile"],
        sets=(*(outer.get("sets") or ()), *(own["sets"] or ())),
        json=bool(merged["json"]),
        plain=bool(merged["plain"]),
        verbose=bool(merged["verbose"]),
    )


def guarded(body: Callable[[], ExitCode | None], *, as_json: bool = False) -> int:
    """Runs the body; its exit code. Every exception becomes an error for people, none a traceback."""
    try:
        return int(body() or ExitCode.OK)
    except MlstackError as error:
        return int(fail(error, as_json=as_json))
    except (click.exceptions.Exit, click.ClickException):
        raise
    except (KeyboardInterrupt, click.Abort):
        print("\nInterrupted.", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output is gone (``| head``): nothing is left to say, not even at interpreter exit.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:
        from mlstack.cli.failures import arguments_of_process, bug

        return int(fail(bug(error, arguments_of_process(), os.environ), as_json=as_json))
