"""Ends an editor that nobody uses: one without an open page in which nothing computes. JupyterLab does the same by itself."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

BUSY = 0.1
"""Share of a processor from which on something computes: what waits for the next page needs a tenth of that."""
_TICKS = os.sysconf("SC_CLK_TCK")


def last_seen(url: str) -> float:
    """When a page was open last, in seconds since the epoch, by code-server's own account; 0 is never.

    Raises OSError or ValueError where it does not say.
    """
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # an address of the pod itself
        return float(json.load(answer)["lastHeartbeat"]) / 1000


def processor_seconds(without: int = 0, proc: Path = Path("/proc")) -> dict[int, float]:
    """Processor time of each process of the pod with its ended children's. without: a process that does not count."""
    found = {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            # the name, in parentheses, may hold anything
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(path.parent.name) != without:
            found[int(path.parent.name)] = sum(map(int, fields[11:15])) / _TICKS
    return found


class Watch:
    """Looks whether something is done. seen: as ``last_seen``; used: as ``processor_seconds``; clock: seconds since the epoch."""

    def __init__(
        self, seen: Callable[[], float], used: Callable[[], Mapping[int, float]], clock: Callable[[], float] = time.time
    ) -> None:
        self._seen, self._used, self._clock = seen, used, clock
        self._active = self._looked = clock()
        self._before = used()

    def idle_seconds(self) -> float:
        """For how long nothing was done."""
        now, used = self._clock(), self._used()
        spent = sum(max(0.0, seconds - self._before[pid]) for pid, seconds in used.items() if pid in self._before)
        if spent > BUSY * max(now - self._looked, 1.0):
            self._active = now
        self._looked, self._before = now, used
        try:
            self._active = max(self._active, self._seen())
        except (OSError, ValueError, KeyError):
            self._active = now  # one that does not answer is not known to be idle
        return now - self._active


def end_when_idle(
    watch: Watch, limit: float, ended: threading.Event, end: Callable[[], None], every: float = 60
) -> None:
    """Ends what is idle for ``limit`` seconds; 0 is never. Returns then, or when ``ended`` is set."""
    while limit and not ended.wait(every):
        if watch.idle_seconds() >= limit:
            end()
            return
