"""What is planned for one stack, and how the apply of an object gets into a plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlstack.core.actions import Apply, Wait
from mlstack.core.desired import RenderedStack
from mlstack.core.diff import fingerprint_of, stamped
from mlstack.core.model import Object, ResourceId
from mlstack.core.plan_base import APPLYSET_MEMBER, Draft, applyset_id, ident
from mlstack.core.plan_ensure import certificate_targets
from mlstack.core.readiness import has_rule


@dataclass(slots=True)
class StackPart:
    """What was planned for one stack: ids by role."""

    stack: RenderedStack
    secrets: dict[ResourceId, str] = field(default_factory=dict)
    applies: dict[ResourceId, str] = field(default_factory=dict)
    waits: dict[ResourceId, set[str]] = field(default_factory=dict)
    ensures: set[str] = field(default_factory=set)
    ensured: tuple[str, ...] = ()
    loads: set[str] = field(default_factory=set)
    extra: Mapping[ResourceId, list[tuple[str, float]]] = field(default_factory=dict)

    @property
    def gate(self) -> set[str]:
        """What has to be done before a stack that requires this one may start its workloads."""
        waits = (one for ids in self.waits.values() for one in ids)
        return {*self.applies.values(), *waits, *self.secrets.values(), *self.loads}


def plan_apply(draft: Draft, part: StackPart, obj: Object, why: str) -> None:
    """Adds the apply of an object and the waits that follow it."""
    rid, member = ResourceId.of(obj), {APPLYSET_MEMBER: applyset_id(draft.instance, part.stack.name)}
    twin = stamped(obj, fingerprint_of(obj), member)
    part.applies[rid] = draft.add(apply_action(twin, rid, part.stack, why, certificate_targets(part.stack)))
    plan_waits(draft, part, rid)


def plan_waits(draft: Draft, part: StackPart, rid: ResourceId) -> None:
    """Adds the waits of an object: by the rules of its kind, and those that its stack asks for."""
    waits = ([("", 300.0)] if has_rule(rid.kind) else []) + part.extra.get(rid, [])
    for condition, timeout in waits:
        wait = _wait(rid, part.stack, condition, timeout, rid in part.applies)
        part.waits.setdefault(rid, set()).add(draft.add(wait))


def apply_action(obj: Object, rid: ResourceId, stack: RenderedStack, why: str, trusted: set[str]) -> Apply:
    """The apply of an object. trusted: ``Kind/name`` of those that get the instance's CA."""
    return Apply(
        id=f"apply:{ident(rid)}",
        title=f"Apply {rid}",
        group=stack.name,
        why=why,
        object=obj,
        stack=stack.name,
        ca_bundle=f"{rid.kind}/{rid.name}" in trusted,
    )


def _wait(rid: ResourceId, stack: RenderedStack, condition: str, timeout: float, applied: bool) -> Wait:
    suffix = f":{condition}" if condition else ""
    return Wait(
        id=f"wait:{ident(rid)}{suffix}",
        title=f"Wait for {rid}" + (f" to be {condition}" if condition else ""),
        group=stack.name,
        why="it is applied" if applied else "it is not ready",
        resource=rid,
        condition=condition,
        timeout=timeout,
    )
