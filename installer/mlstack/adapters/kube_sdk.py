"""Loads the ``kubernetes`` SDK once, under a lock: its modules import each other in circles, bad for threads that come half-way."""

from __future__ import annotations

import threading

_LOCK = threading.Lock()


def load_sdk() -> None:
    """Returns when every module of the SDK that is used here is imported whole. Call it before any import from the SDK."""
    with _LOCK:
        import kubernetes.client
        import kubernetes.config
        import kubernetes.stream  # noqa: F401 - imported for those who come after
