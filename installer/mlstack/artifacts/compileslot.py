"""One compile at a time on this machine: two at once on a few cores gain nothing. Waiters are served by their rank."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlstack.artifacts.store import Store
from mlstack.core.errors import interrupted
from mlstack.core.ports import Cancelled


class CompileSlot:
    """The machine-wide slot: ranked among this process's threads, a file lock between processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._taken = False

    @contextmanager
    def held(self, rank: int, cancelled: Cancelled) -> Iterator[None]:
        """Holds the slot; lower ranks go first, equal ranks in order of arrival. Raises run.interrupted."""
        self._enter((rank, next(self._numbers)), cancelled)
        try:
            with self._store.lock("compile", cancelled):
                yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _enter(self, ticket: tuple[int, int], cancelled: Cancelled) -> None:
        with self._changed:
            heapq.heappush(self._waiting, ticket)
            while self._taken or self._waiting[0] != ticket:
                self._changed.wait(timeout=0.5)
                if cancelled():
                    self._waiting.remove(ticket)
                    heapq.heapify(self._waiting)
                    self._changed.notify_all()
                    raise interrupted("waiting for another compile")
            heapq.heappop(self._waiting)
            self._taken = True
