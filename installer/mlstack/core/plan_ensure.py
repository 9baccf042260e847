"""What a stack has made for it beside its objects: generated Secrets, certificates, buckets, databases, users. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.core.actions import GenerateSecret
from mlstack.core.desired import Facts, RenderedStack
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.plan_base import Draft
from mlstack.core.plan_certificates import plan_certificates
from mlstack.core.plan_services import dropped, due, secret_id, wanted_of

if TYPE_CHECKING:
    from mlstack.core.servicespec import SecretSpec


def _places(stack: RenderedStack, spec: SecretSpec) -> list[ResourceId]:
    """The Secret itself, and its copies; one that would be the Secret itself is none."""
    copies = (secret_id(namespace, spec.copy_name or spec.name) for namespace in spec.copies)
    return list(dict.fromkeys([secret_id(stack.namespace, spec.name), *copies]))


def generated_secrets(stack: RenderedStack) -> list[ResourceId]:
    """The Secrets that are generated for a stack, copies included."""
    return [rid for spec in stack.secrets for rid in _places(stack, spec)]


def generated(stack: RenderedStack) -> list[Object]:
    """Stand-ins for the Secrets that will be made, so that edges from their consumers are found."""
    rids = generated_secrets(stack)
    rids += [secret_id(stack.namespace, spec.secret) for spec in stack.certificates]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": rid.name, "namespace": rid.namespace}}
        for rid in dict.fromkeys(rids)
    ]


def plan_secrets(
    draft: Draft,
    stack: RenderedStack,
    cluster: set[str],
    namespaces: Mapping[str, str],
    renew: Collection[ResourceId] = (),
) -> dict[ResourceId, str]:
    """Plans generated Secrets that are absent and certificates that are due; gives each Secret's id -> what makes it."""
    made: dict[ResourceId, str] = {}
    for spec in stack.secrets:
        places = _places(stack, spec)
        absent = [rid for rid in places if rid not in draft.facts.live]
        mark = _mark(spec, draft.facts, absent)
        other = [rid for rid in places if mark and rid not in absent and draft.facts.live[rid].fingerprint != mark]
        told = {draft.facts.live[rid].fingerprint for rid in places if rid not in absent}
        torn = [rid for rid in places if not spec.given and rid not in absent and len(told) > 1]
        renewed = tuple(spec.rotate) if places[0] in renew else ()
        if absent or other or torn or renewed:
            needs = cluster | {namespaces[rid.namespace] for rid in places if rid.namespace in namespaces}
            action = GenerateSecret(
                id=f"secret:{places[0].namespace}/{spec.name}",
                title=f"{'Set' if mark else 'Generate'} {(absent or other or places)[0]}",
                group=stack.name,
                needs=frozenset(needs),
                why=_why(absent, bool(other), bool(torn)),
                namespace=places[0].namespace,
                name=spec.name,
                stack=stack.name,
                keys=spec.keys,
                literals=spec.literals,
                given=spec.given,
                mark=mark,
                copies=tuple(places[1:]),
                renew=renewed,
            )
            made.update(dict.fromkeys(places, draft.add(action)))
    made.update(plan_certificates(draft, stack, cluster, namespaces))
    return made


def _why(absent: Sequence[ResourceId], other: bool, torn: bool) -> str:
    if absent:
        return f"{', '.join(map(str, absent))} absent"
    if other:
        return "what the configuration names has changed"
    return "its copies differ: an earlier run did not finish" if torn else "new values were asked for"


def _mark(spec: SecretSpec, facts: Facts, absent: list[ResourceId]) -> str:
    """The hash of what the user gives a Secret; empty where that is nothing, or cannot be read now and is there already.

    Raises MlstackError secret.not-given.
    """
    unread = [reference for reference in spec.given.values() if reference not in facts.given]
    if unread and absent:
        kind, _, name = unread[0].partition(":")
        what = {"env": f"environment variable {name} is not set", "file": f"{name} cannot be read or is empty"}
        raise MlstackError(
            "secret.not-given",
            f"the secret for {absent[0]} is not there: {what.get(kind, 'the configuration names none')}",
            remedy="Set the variable or write the file that the configuration names, then run `mlstack up` again.",
            exit_code=ExitCode.USAGE,
        )
    if unread or not spec.given:
        return ""
    wanted = [sorted(spec.literals.items()), sorted((key, facts.given[one]) for key, one in spec.given.items())]
    return hashlib.sha256(repr(wanted).encode()).hexdigest()[:32]


def plan_ensured(
    draft: Draft, stack: RenderedStack, ready: set[str], secrets: Mapping[ResourceId, str], own: set[str]
) -> tuple[set[str], tuple[str, ...]]:
    """Plans buckets, databases and users that were not made before, or whose credentials are made anew, and the end of the
    access that is no longer wanted.

    Gives the ids the stack's workloads wait for, and all ids that hold once the plan is done. A stack that asks itself
    (it provides the capability) gets its buckets after its own workloads, which then do not wait for them.
    """
    inventory = draft.facts.inventory.get(stack.name)
    before = set(inventory.ensured) if inventory else set()
    ids: set[str] = set()
    wanted: list[str] = []
    for action, secret, capability in wanted_of(stack):
        wanted.append(action.id)
        if secret not in secrets and not due(action, before, draft.facts):
            continue
        itself = capability in stack.exports
        needs = ready | (own if itself else set()) | {one for rid, one in secrets.items() if rid == secret}
        action_id = draft.add(replace(action, needs=frozenset(needs)))
        if not itself:
            ids.add(action_id)
    for revoke in dropped(stack, before, wanted):
        # the inventory forgets it only once it is done
        ids.add(draft.add(replace(revoke, needs=frozenset(ready))))
    ids |= {one for one in secrets.values() if one.startswith("certificate:")}
    return ids, tuple(wanted)


def certificate_targets(stack: RenderedStack) -> set[str]:
    """``Kind/name`` of the objects that get the CA."""
    return {target for certificate in stack.certificates for target in certificate.ca_bundle_in}


def wait_specs(stack: RenderedStack) -> dict[ResourceId, list[tuple[str, float]]]:
    """The stack's own waits by object: condition and timeout. Raises MlstackError plan.wait-target for an unknown object."""
    known = {f"{rid.kind}/{rid.name}": rid for rid in map(ResourceId.of, stack.objects)}
    found: dict[ResourceId, list[tuple[str, float]]] = {}
    for spec in stack.waits:
        if spec.resource not in known:
            raise MlstackError(
                "plan.wait-target",
                f"{stack.name} waits for {spec.resource}, which is none of its objects",
                remedy="Name an object of the stack as Kind/name in spec.wait.",
                exit_code=ExitCode.USAGE,
            )
        found.setdefault(known[spec.resource], []).append((spec.condition, spec.timeout))
    return found
