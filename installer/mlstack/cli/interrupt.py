"""Ctrl-C: the first one asks the run to stop, the second one leaves at once. SIGTERM counts as the first."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mlstack.core.errors import ExitCode

STOPPING = "Stopping. Press Ctrl-C again to leave at once; nothing is lost either way."


class Interrupt:
    """While entered, SIGINT and SIGTERM set ``cancelled`` instead of raising. say: tells the user, once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked = threading.Event()
        self._before: dict[int, Any] = {}

    def cancelled(self) -> bool:
        """True once the user asked to stop."""
        return self._asked.is_set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """While a question is open, Ctrl-C is an answer: it raises KeyboardInterrupt."""
        ours = {number: signal.signal(number, handler) for number, handler in self._before.items()}
        try:
            yield
        finally:
            for number, handler in ours.items():
                signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked.is_set():
            leave()
        self._asked.set()
        # A thread of its own: the main thread may hold the lock of the very stream the message goes to.
        threading.Thread(target=self._say, args=(STOPPING,), daemon=True).start()


def leave() -> None:
    """Ends the process without clean-up; state on disk is journalled, so the next run finds its way."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\r\n")
    os._exit(ExitCode.INTERRUPTED)
