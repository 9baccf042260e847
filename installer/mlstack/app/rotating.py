"""``mlstack credentials --rotate``: new values for a generated Secret, and everything that reads it with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.lifecycle import carry_out
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.model import ResourceId

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.actions import Report


def rotatable(session: Session) -> dict[str, ResourceId]:
    """What can be made anew: the Secrets by the name of the login that they hold, else by their own."""
    return {
        spec.credential or spec.name: ResourceId("Secret", spec.name, stack.namespace)
        for stack in session.stacks
        for spec in stack.secrets
        if spec.rotate
    }


def rotate(session: Session, name: str) -> Report:
    """Makes a generated Secret anew and brings the platform to that. Raises credentials.not-rotatable."""
    offered = rotatable(session)
    if name not in offered:
        raise _refused(session, name, sorted(offered))
    with observing.reader(session):
        pass  # where nothing runs there is nothing to rotate
    anew = replace(session, seen=None, renew=frozenset({offered[name]}))
    return carry_out(anew, "up", lambda _changes: True, host_changes=False)


def _refused(session: Session, name: str, offered: list[str]) -> MlstackError:
    if name in {user.name for stack in session.stacks for user in stack.users}:
        remedy = f"a user's password is changed with `mlstack users passwd {name}`"
    else:
        remedy = did_you_mean(name, offered) or f"choose one of {', '.join(offered)}"
    known = {one for stack in session.stacks for spec in stack.secrets for one in (spec.credential, spec.name) if one}
    return MlstackError(
        "credentials.not-rotatable",
        f"'{name}' cannot be made anew",
        why="what it opens keeps it outside of the cluster"
        if name in known
        else "there is no generated secret of that name",
        remedy=remedy,
        exit_code=ExitCode.USAGE,
    )
