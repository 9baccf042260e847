"""Makes the groups of commands that share a first word (``mlstack config show``)."""

from __future__ import annotations

from collections.abc import Callable

import click

from mlstack.cli.frame import HELP_NAMES


def make_group(name: str, help_text: str) -> click.Group:
    """A group that shows its help when it is called without a command."""
    make: Callable[[Callable[[], None]], click.Group] = click.group(
        name, help=help_text, context_settings=HELP_NAMES, no_args_is_help=True
    )
    return make(_nothing)


def _nothing() -> None:
    """A group itself does nothing."""
