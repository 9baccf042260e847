"""The document that says of each system of the field what of it there is here, and what was tried where."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from mlstack.core.documentmodel import Strict


class System(Strict):
    """One row. stack: the stack or addon of the catalogue that is it, or does its work; version: of it, empty: the release's;
    use: what to do where there is none, or how to come from it; verified: where what was tried, in one line; ``not`` where
    nothing was."""

    name: str
    stack: str = ""
    version: str = ""
    use: str = ""
    verified: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> System:
        if not self.stack and not self.use:
            raise ValueError("a system without a stack says what to use instead")
        if self.version and not self.stack:
            raise ValueError("a version is of a stack: say which")
        if self.stack and not self.verified:
            raise ValueError("a system with a stack says where it was verified, or `not`")
        return self


class Support(Strict):
    """The whole document."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["Support"]
    systems: list[System]
