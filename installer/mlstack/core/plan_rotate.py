"""The plan of ``certs rotate``: new certificates, and with a new authority everything that must trust it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlstack.core.actions import Plan
from mlstack.core.desired import Facts, RenderedStack
from mlstack.core.diff import fingerprint_of, stamped
from mlstack.core.model import ResourceId
from mlstack.core.plan_base import APPLYSET_MEMBER, Draft, applyset_id
from mlstack.core.plan_certificates import rotate_certificates
from mlstack.core.plan_ensure import certificate_targets
from mlstack.core.plan_part import apply_action


def plan_rotate(instance: str, stacks: Sequence[RenderedStack], facts: Facts, *, authority: bool) -> Plan:
    """Issues every certificate anew. authority: of a new CA, which the objects that check certificates by it get too."""
    draft = Draft(instance, "certs rotate", facts)
    issued = rotate_certificates(draft, stacks, authority=authority)
    for stack in stacks if authority else ():
        trusted = certificate_targets(stack)
        for obj in stack.objects:
            rid = ResourceId.of(obj)
            if f"{rid.kind}/{rid.name}" in trusted:
                marked = stamped(obj, fingerprint_of(obj), {APPLYSET_MEMBER: applyset_id(instance, stack.name)})
                action = apply_action(marked, rid, stack, "it must trust the new authority", trusted)
                draft.add(replace(action, needs=frozenset(issued)))
    if not issued:
        draft.notes.append("No stack has a certificate of the platform's own authority.")
    return draft.finish()
