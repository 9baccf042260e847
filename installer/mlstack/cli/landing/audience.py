"""Who follows the page, and what the last one of them has been sent: so that the end of a run waits for its readers, not long."""

from __future__ import annotations

import threading
import time

MOST = 32
"""Streams served at once."""


class Audience:
    """Counts of streams, shared between the server's thread and the command's."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._sent: dict[int, int] = {}
        self._next = 0
        self._coming = 0.0

    def expect(self, seconds: float) -> None:
        """Someone is about to follow, who is waited for no longer than this: a browser was opened, or has loaded the page."""
        with self._news:
            self._coming = max(self._coming, time.monotonic() + seconds)

    def join(self) -> int | None:
        """A new stream's number, None when there are too many."""
        with self._news:
            if len(self._sent) >= MOST:
                return None
            self._coming, self._next = 0.0, self._next + 1
            self._sent[self._next] = 0
            self._news.notify_all()
            return self._next

    def saw(self, stream: int, version: int) -> None:
        """A stream was sent this version."""
        with self._news:
            self._sent[stream] = version
            self._news.notify_all()

    def leave(self, stream: int) -> None:
        """A stream ended."""
        with self._news:
            self._sent.pop(stream, None)
            self._news.notify_all()

    def wait(self, version: int, seconds: float) -> bool:
        """Waits until everyone was sent this version, no longer than that; whether it came so far."""
        until = time.monotonic() + seconds
        with self._news:
            while (now := time.monotonic()) < until:
                behind = any(sent < version for sent in self._sent.values())
                if not behind and self._coming <= now:
                    return True
                self._news.wait((until if behind else min(until, self._coming)) - now)
        return False
