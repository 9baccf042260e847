"""For all tests: programs they start can be interrupted, also where the run itself was put in the background; generated cases
are not timed, for a loaded machine says nothing of the code."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("mlstack", deadline=None)
settings.load_profile("mlstack")


def pytest_configure() -> None:
    """A shell without job control starts background jobs with SIGINT ignored, and every program below inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
