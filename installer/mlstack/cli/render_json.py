"""The event stream as JSON, one versioned object a line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from mlstack.core.events import EVENTS_VERSION, Event
from mlstack.core.redact import redact


class JsonRenderer:
    """Writes every event as one line, whole lines only, also from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Writes the event."""
        self.write(masked(event.to_json()))

    def write(self, line: Mapping[str, Any]) -> None:
        """Writes one object; ``default=str`` names paths and enumerations."""
        text = json.dumps(line, default=str, ensure_ascii=False)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Nothing to make room for."""
        yield

    def close(self) -> None:
        """Nothing is held back."""


def envelope(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A line that is no event: ``Result`` or ``Error``, versioned like the events."""
    return {"v": EVENTS_VERSION, "type": kind, **data}


def masked(value: Any, mask: Callable[[str], str] = redact) -> Any:
    """The value with what looks like a secret masked in every text of it."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: masked(item, mask) for name, item in value.items()}
    return [masked(item, mask) for item in value] if isinstance(value, (list, tuple)) else value
