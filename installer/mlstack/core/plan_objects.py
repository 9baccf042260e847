"""The part of a plan inside the cluster: secrets, applies, waits, buckets, databases, inventories. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mlstack.core.actions import Apply, RecordInventory
from mlstack.core.desired import InventoryEntry, RenderedStack, Wanted
from mlstack.core.diff import Change, compare, fingerprint_of
from mlstack.core.model import ClusterState, ResourceId
from mlstack.core.order import Edge, find_edges
from mlstack.core.plan_base import Draft, Key, key_of
from mlstack.core.plan_ensure import (
    generated,
    plan_ensured,
    plan_secrets,
    wait_specs,
)
from mlstack.core.plan_part import StackPart, plan_apply, plan_waits
from mlstack.core.plan_restarts import plan_end_of_sessions, plan_restarts
from mlstack.core.podspec import WORKLOAD_KINDS, images_of


def plan_objects(draft: Draft, wanted: Wanted, cluster: set[str], loads: Mapping[str, str]) -> dict[str, StackPart]:
    """Plans every stack's objects; gives what was planned by stack name."""
    parts = {stack.name: StackPart(stack) for stack in wanted.stacks}
    for part in parts.values():
        _plan_changes(draft, part)
        part.loads = _loads_beside_pods(part.stack, loads)
    namespaces = {
        rid.name: one for part in parts.values() for rid, one in part.applies.items() if rid.kind == "Namespace"
    }
    for part in parts.values():
        part.secrets = plan_secrets(draft, part.stack, cluster, namespaces, wanted.renew)
    plan_restarts(draft, parts)
    everything = [obj for stack in wanted.stacks for obj in [*stack.objects, *generated(stack)]]
    edges = find_edges(everything) if any(part.applies for part in parts.values()) else {}
    before = _closure(wanted.stacks)
    for part in parts.values():
        required = set().union(*(parts[name].gate for name in before[part.stack.name] if name in parts))
        part.ensures, part.ensured = plan_ensured(draft, part.stack, cluster | required, part.secrets, part.gate)
    plan_end_of_sessions(draft, parts)
    for part in parts.values():
        required = set().union(*(parts[name].gate for name in before[part.stack.name] if name in parts))
        intent = _plan_intent(draft, part, cluster)
        for one in set(part.secrets.values()) if intent else ():
            draft.actions[one] = replace(draft.actions[one], needs=draft.actions[one].needs | intent)
        _connect(draft, part, parts, edges, _Before(cluster | intent, required, loads))
    return parts


@dataclass(frozen=True, slots=True)
class _Before:
    """Ids that come before: base for every object, required for workloads, loads by image."""

    base: set[str]
    required: set[str]
    loads: Mapping[str, str]


def _loads_beside_pods(stack: RenderedStack, loads: Mapping[str, str]) -> set[str]:
    """Loads of images that the objects name outside of their pod templates, such as a volume provisioner's helper pod.

    No workload of the stack waits for them; pods of the stacks that require it would wait for ever.
    """
    missing = [image.ref for image in stack.images if image.ref in loads]
    if not missing:
        return set()
    inside = {image for obj in stack.objects for image in images_of(obj)}
    text = json.dumps(stack.objects)
    return {loads[ref] for ref in missing if ref not in inside and json.dumps(ref)[1:-1] in text}


def _closure(stacks: Iterable[RenderedStack]) -> dict[str, set[str]]:
    """Every stack's required stacks, those of the required ones included."""
    direct = {stack.name: set(stack.requires) for stack in stacks}
    found: dict[str, set[str]] = {}
    for name in direct:
        todo, seen = list(direct[name]), set[str]()
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(direct.get(one, ()))
        found[name] = seen - {name}
    return found


def _plan_changes(draft: Draft, part: StackPart) -> None:
    """Adds the applies that are due and the waits that follow them or are still open; their needs come later."""
    stack, facts = part.stack, draft.facts
    inventory = facts.inventory.get(stack.name)
    recorded: dict[Key, InventoryEntry] = {key_of(entry.rid): entry for entry in inventory.entries} if inventory else {}
    part.extra = wait_specs(stack)
    fresh = facts.cluster.state is not ClusterState.RUNNING
    for obj in stack.objects:
        rid = ResourceId.of(obj)
        live = draft.live.get(key_of(rid))
        result = compare(fingerprint_of(obj), live, recorded.get(key_of(rid)))
        if result.change is Change.UNCHANGED:
            draft.unchanged.append(rid)
        else:
            why = "not known until the cluster runs" if facts.cluster.state is ClusterState.STOPPED else result.why
            plan_apply(draft, part, obj, why)
        if rid not in part.applies and (fresh or live is None or not live.ready):
            plan_waits(draft, part, rid)


def _plan_intent(draft: Draft, part: StackPart, cluster: set[str]) -> set[str]:
    """Before new objects are applied the inventory names them: whatever happens then, they are known to be ours."""
    inventory = draft.facts.inventory.get(part.stack.name)
    old = {key_of(entry.rid): entry.rid for entry in inventory.entries} if inventory else {}
    new = {key_of(rid): rid for rid in map(ResourceId.of, part.stack.objects)}
    before = inventory.ensured if inventory else ()
    # what is done again counts as not done until it is: a run that is cut off in between goes on with it
    again = {one for one in before if one in draft.actions and one.startswith(("bucket:", "database:"))}
    if new.keys() <= old.keys() and not again:
        return set()
    action = RecordInventory(
        id=f"intent:{part.stack.name}",
        title=f"Note what {part.stack.name} will own",
        group=part.stack.name,
        needs=frozenset(cluster),
        why="objects are new" if new.keys() - old.keys() else "it is done again",
        stack=part.stack.name,
        version=part.stack.version,
        resources=tuple({**old, **new}.values()),
        ensured=tuple(one for one in before if one not in again),
        intent=True,
    )
    return {draft.add(action)}


def _connect(
    draft: Draft,
    part: StackPart,
    parts: Mapping[str, StackPart],
    edges: Mapping[ResourceId, frozenset[Edge]],
    before: _Before,
) -> None:
    objects = {ResourceId.of(obj): obj for obj in part.stack.objects}
    for rid, action_id in part.applies.items():
        needs = set(before.base)
        for edge in edges.get(rid, ()):
            needs |= _ids_of(edge, parts)
        if rid.kind in WORKLOAD_KINDS:
            needs |= before.required | part.ensures
            needs |= {before.loads[image] for image in images_of(objects[rid]) if image in before.loads}
        action = draft.actions[action_id]
        if isinstance(action, Apply) and action.ca_bundle:
            needs |= {one for one in part.ensures if one.startswith("certificate:")}
        draft.actions[action_id] = replace(action, needs=frozenset(needs - {action_id}))
    for rid, ids in part.waits.items():
        needs = set(before.base) | {part.applies[rid]} if rid in part.applies else set(before.base)
        for wait_id in ids:
            draft.actions[wait_id] = replace(draft.actions[wait_id], needs=frozenset(needs))


def _ids_of(edge: Edge, parts: Mapping[str, StackPart]) -> set[str]:
    """The planned actions that make an edge's object applied or ready; none when it is so already."""
    ids: set[str] = set()
    for part in parts.values():
        ids |= {plan[edge.of] for plan in (part.applies, part.secrets) if edge.of in plan}
        if edge.ready:
            ids |= part.waits.get(edge.of, set())
    return ids
