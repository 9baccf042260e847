"""When a certificate of the instance's own authority is issued: in an ``up``, and in a rotation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlstack.core.actions import Action, IssueCertificate, RenewAuthority
from mlstack.core.desired import Facts, RenderedStack
from mlstack.core.model import ResourceId
from mlstack.core.plan_base import Draft
from mlstack.core.tls import server_names, why_due

if TYPE_CHECKING:
    from mlstack.core.stackfile import CertificateSpec


def certificate_id(stack: RenderedStack, spec: CertificateSpec) -> ResourceId:
    """The Secret that holds a certificate."""
    return ResourceId("Secret", spec.secret, stack.namespace)


def plan_certificates(
    draft: Draft, stack: RenderedStack, cluster: set[str], namespaces: Mapping[str, str]
) -> dict[ResourceId, str]:
    """Plans what is absent, ended or about to, for other names, or of another authority; Secret's id -> the action's."""
    made: dict[ResourceId, str] = {}
    for spec in stack.certificates:
        rid = certificate_id(stack, spec)
        why = _why(draft.facts, rid, spec.dns_names)
        if why:
            needs = cluster | {namespaces[name] for name in [stack.namespace] if name in namespaces}
            made[rid] = draft.add(_issue(stack, spec, why, needs))
    return made


def _why(facts: Facts, rid: ResourceId, names: Sequence[str]) -> str:
    if rid not in facts.live:
        return "absent"
    known = facts.certificates.get(rid)
    return why_due(known, names, facts.now) if known else ""


def _issue(stack: RenderedStack, spec: CertificateSpec, why: str, needs: set[str], force: bool = False) -> Action:
    return IssueCertificate(
        id=f"certificate:{stack.namespace}/{spec.secret}",
        title=f"Issue certificate {certificate_id(stack, spec)}",
        group=stack.name,
        needs=frozenset(needs),
        why=why,
        namespace=stack.namespace,
        secret=spec.secret,
        stack=stack.name,
        dns_names=server_names(spec.dns_names),
        force=force,
    )


def rotate_certificates(draft: Draft, stacks: Sequence[RenderedStack], *, authority: bool) -> set[str]:
    """Adds the issue of every certificate, after a new CA where ``authority``; gives the ids."""
    before: set[str] = set()
    if authority:
        renew = RenewAuthority(
            id="authority:renew",
            title="Make a new certificate authority",
            group="certificates",
            why="asked for",
            instance=draft.instance,
        )
        before = {draft.add(renew)}
    specs = [(stack, spec) for stack in stacks for spec in stack.certificates]
    return before | {draft.add(_issue(stack, spec, "asked for", before, force=True)) for stack, spec in specs}
