"""How long steps took before, for estimates. A file that cannot be read is as good as none: estimates are a courtesy."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

WEIGHT = 0.5
"""Weight of the newest duration in the running mean."""
SHORTEST = 0.2
"""Seconds below which a step is not worth remembering."""


class Durations:
    """Seconds by step id, kept in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()
        self._new: dict[str, float] = {}

    def estimates(self) -> Mapping[str, float]:
        """Seconds by step id of earlier runs."""
        return dict(self._known)

    def add(self, step: str, seconds: float) -> None:
        """Remembers how long a step took; written by ``save``."""
        if seconds >= SHORTEST or step in self._known:
            self._new[step] = seconds

    def save(self) -> None:
        """Writes the file, all of it or nothing; a full disk loses estimates only."""
        merged = dict(self._known)
        for step, seconds in self._new.items():
            before = merged.get(step)
            merged[step] = round(seconds if before is None else before + WEIGHT * (seconds - before), 3)
        if not self._new:
            return
        self._known, self._new = merged, {}
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(merged, file)
            fresh.replace(self._path)
        except OSError:
            return

    def _read(self) -> dict[str, float]:
        try:
            known = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {str(key): float(value) for key, value in known.items() if isinstance(value, int | float)}
