"""The recipe of a program that is run on the host, not in an image."""

from __future__ import annotations

from mlstack.core.documentmodel import Strict
from mlstack.core.recipe import GoProgram, WheelFiles


class Tool(Strict):
    """A program run on the host, built or taken from a wheel; the store keeps it. found: name looked up in PATH first."""

    name: str
    go: GoProgram | None = None
    wheel: WheelFiles | None = None
    found: str = ""
    version_args: list[str] = ["--version"]
    version: str = ""
    """A specifier (``>=0.30,<0.34``) that a found program must meet."""
