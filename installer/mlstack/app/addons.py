"""Switches addons on and off, and remembers it for the next ``up``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app.lifecycle import carry_out, changing
from mlstack.core.config import Origin
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.resolve import unknown

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.actions import Report


def set_addon(session: Session, name: str, enabled: bool) -> Report:
    """Switches an addon and brings the platform to that. Raises ``config.unknown-addon`` and ``addon.configured``."""
    known = list(session.release.spec.addons)
    if name not in known:
        raise unknown("addon", name, known)
    path = ("addons", name, "enabled")
    origin = session.resolved.origin_of(path)
    if origin.kind in ("file", "env") and session.config.addons[name].enabled != enabled:
        raise MlstackError(
            "addon.configured",
            f"addon {name} is switched {'off' if enabled else 'on'} by {origin}",
            remedy="change it there, then run `mlstack up`",
            exit_code=ExitCode.USAGE,
        )
    addons = {**session.config.addons, name: session.config.addons[name].model_copy(update={"enabled": enabled})}
    config = session.config.model_copy(update={"addons": addons})
    origins = {**session.resolved.origins, path: Origin("choice", "addon command")}
    changed = replace(session, resolved=replace(session.resolved, config=config, origins=origins))
    with changing(changed, f"addon {'enable' if enabled else 'disable'}") as mine:
        session.choices.write(addons={**session.choices.addons, name: enabled})
        return carry_out(mine, "up", lambda _changes: True, host_changes=False)
