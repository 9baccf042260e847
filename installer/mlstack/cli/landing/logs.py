"""The ends of logs, for the page: of a stack's programs, or of a file the app names. Nothing else can be asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.errors import MlstackError
from mlstack.core.redact import redact

if TYPE_CHECKING:
    from mlstack.cli.usecases import App
    from mlstack.core.model import LogFile

LINES = 200
TAIL_BYTES = 128 << 10
"""The end of a file that is read: enough for ``LINES`` lines of a compiler."""


class Logs:
    """Reads logs beside a run. open_reader: makes an app for reading; called once, at the first need."""

    def __init__(self, open_reader: Callable[[], App]) -> None:
        self._open = open_reader
        self._lock = threading.Lock()
        self._app: App | None = None

    def files(self, since: float) -> dict[str, list[str]]:
        """Group -> names of its files written to since then (seconds since the epoch); empty while no app can be opened."""
        found: dict[str, list[str]] = {}
        for file in self._files():
            if _changed(file.path) >= since:
                found.setdefault(file.group, []).append(file.name)
        return found

    def tail(self, source: str) -> list[str]:
        """The last lines of ``GROUP/NAME`` (a file) or of a stack's programs. Raises MlstackError; LookupError: no such log."""
        if "/" not in source:
            return [redact(f"{line.source} | {line.text}") for line in self._reader().logs(source, False, LINES)]
        # The name is looked up among those the app lists, never put together to a path.
        for file in self._files():
            if f"{file.group}/{file.name}" == source:
                return list(_tail(file.path))
        raise LookupError(source)

    def _reader(self) -> App:
        with self._lock:
            if self._app is None:
                self._app = self._open()
            return self._app

    def _files(self) -> list[LogFile]:
        try:
            return list(self._reader().log_files())
        except (MlstackError, OSError):
            return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # gone since it was listed


def _tail(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL_BYTES))
            lines = stream.read(TAIL_BYTES).decode("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LookupError(str(path)) from error
    cut = lines[1:] if size > TAIL_BYTES else lines
    return (redact(line) for line in cut[-LINES:])
