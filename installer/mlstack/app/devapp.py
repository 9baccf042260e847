"""The use cases of ``mlstack dev``, for those who make stacks; a part of ``Application``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlstack.app.session import Session


class Developing:
    """Imports happen inside, so that a command loads only what it uses."""

    _session: Session

    def dev_new(self, kind: str, name: str, version: str) -> Path:
        """Makes a new stack or addon."""
        from mlstack.app.developing import dev_new

        return dev_new(self._session, kind, name, version)

    def dev_lock(self, stack: str) -> Sequence[Path]:
        """Writes the image digests of a stack."""
        from mlstack.app.developing import dev_lock

        return dev_lock(self._session, stack)

    def dev_golden(self, stack: str) -> Sequence[Path]:
        """Writes the golden output of a stack."""
        from mlstack.app.developing import dev_golden

        return dev_golden(self._session, stack)
