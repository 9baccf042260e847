"""Composition root: opens a configuration and wires use cases to adapters. No logic of its own, nothing imported early."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlstack.app.application import Application
    from mlstack.app.opening import Load
    from mlstack.core.events import Emit
    from mlstack.core.ports import Cancelled


def open_app(load: Load, emit: Emit, cancelled: Cancelled) -> Application:
    """The use cases for one configuration. Raises Problems with everything wrong in it."""
    from mlstack.app.application import Application
    from mlstack.app.opening import open_session

    return Application(open_session(load, emit, cancelled))
