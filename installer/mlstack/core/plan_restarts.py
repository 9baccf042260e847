"""What follows from a change elsewhere: pods that have to read a Secret anew, sessions that have to end. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mlstack.core.actions import Apply
from mlstack.core.desired import LiveObject
from mlstack.core.model import ResourceId
from mlstack.core.people import LOGIN
from mlstack.core.plan_base import Draft, key_of
from mlstack.core.plan_ensure import generated_secrets
from mlstack.core.plan_part import StackPart, plan_apply
from mlstack.core.restarts import secrets_mark, secrets_of
from mlstack.core.serviceactions import EndSessions, RemoveUser


def plan_restarts(draft: Draft, parts: Mapping[str, StackPart]) -> None:
    """Workloads whose Secrets are made anew, or are others than those that their pods were started with, are applied; every
    apply of a workload is told which Secrets it reads."""
    made = {rid for part in parts.values() for rid, one in part.secrets.items() if one.startswith("secret:")}
    made |= {rid for part in parts.values() for rid in part.applies if rid.kind == "Secret"}
    kept = {rid for part in parts.values() for rid in generated_secrets(part.stack)}
    kept |= {rid for part in parts.values() for rid in map(ResourceId.of, part.stack.objects) if rid.kind == "Secret"}
    for part in parts.values():
        for obj in part.stack.objects:
            used, rid = secrets_of(obj, kept), ResourceId.of(obj)
            if (
                used
                and rid not in part.applies
                and (why := _restart_why(draft, used, draft.live.get(key_of(rid)), made))
            ):
                draft.unchanged.remove(rid)
                plan_apply(draft, part, obj, why)
            if used and rid in part.applies:
                action = draft.actions[part.applies[rid]]
                assert isinstance(action, Apply)  # noqa: S101 - applies names nothing else
                draft.actions[action.id] = replace(action, secrets=used)


def _restart_why(
    draft: Draft, used: Sequence[ResourceId], live: LiveObject | None, made: Collection[ResourceId]
) -> str:
    new = [str(rid) for rid in used if rid in made]
    if new:
        return f"{', '.join(new)} is made anew"
    now = secrets_mark({rid: draft.live[key_of(rid)].revision for rid in used if key_of(rid) in draft.live})
    return "" if live is not None and live.uses == now else "a Secret that it uses has changed"


def plan_end_of_sessions(draft: Draft, parts: Mapping[str, StackPart]) -> None:
    """Who is removed must be out: sessions end before the inventory forgets the user."""
    login = next((stack.exports[LOGIN] for part in parts.values() if LOGIN in (stack := part.stack).exports), {})
    for part in parts.values() if login.get("sessions") else ():
        removed = {one for one in part.ensures if isinstance(draft.actions.get(one), RemoveUser)}
        if removed:
            end = EndSessions(
                id="sessions:end",
                title="End the sessions of who is logged in",
                group=part.stack.name,
                needs=frozenset(removed),
                why="a user is removed",
                provider=login,
            )
            part.ensures.add(draft.add(end))
