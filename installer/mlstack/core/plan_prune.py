"""The part of a plan that takes things away: only what an inventory of ours names, never data, namespaces or live CRDs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlstack.core.actions import Delete, Prune, RecordInventory
from mlstack.core.desired import StackInventory, Wanted
from mlstack.core.errors import MlstackError
from mlstack.core.model import SYSTEM_NAMESPACE, ResourceId
from mlstack.core.order import CUSTOM_PHASE, phase
from mlstack.core.plan_base import Draft, Key, ident, key_of
from mlstack.core.plan_part import StackPart
from mlstack.core.words import some_of

NEVER_PRUNED = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace"})
NEVER_DELETED = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def plan_prune(draft: Draft, wanted: Wanted, cluster: set[str], parts: Mapping[str, StackPart]) -> None:
    """Plans the prunes of every stack's inventory and the inventories themselves. Raises MlstackError plan.empty-render."""
    keep = {key_of(ResourceId.of(obj)) for stack in wanted.stacks for obj in stack.objects}
    if not keep and any(inventory.entries for inventory in draft.facts.inventory.values()):
        raise _empty("The target has no objects at all, but the cluster has some of ours")
    for name, inventory in draft.facts.inventory.items():
        if name in parts and inventory.entries and not parts[name].stack.objects:
            raise _empty(f"{name} was rendered to no objects, but the cluster has {len(inventory.entries)} of it")
    for name, part in parts.items():
        known = draft.facts.inventory.get(name)
        done = part.gate | part.ensures
        prunes, kept = _prunes(draft, known, keep, cluster | done) if known else ([], [])
        _record(draft, part, known, (cluster | done | set(prunes), kept), bool(prunes))
    for name, inventory in draft.facts.inventory.items():
        if name not in parts:
            prunes, kept = _prunes(draft, inventory, keep, set(cluster))
            _forget(draft, inventory, cluster | set(prunes), kept)


def _empty(what: str) -> MlstackError:
    return MlstackError(
        "plan.empty-render",
        what,
        why="Deleting everything because nothing was rendered is more likely a fault than a wish.",
        remedy="Check the configuration and the stacks' manifests; to remove all of it run `mlstack down`.",
    )


def _prunes(
    draft: Draft, inventory: StackInventory, keep: set[Key], needs: set[str]
) -> tuple[list[str], list[ResourceId]]:
    """Ids of the planned prunes, and objects that stay although no longer wanted."""
    ids: list[str] = []
    kept: list[ResourceId] = []
    chosen: list[ResourceId] = []
    for entry in inventory.entries:
        found = draft.live.get(key_of(entry.rid))
        if key_of(entry.rid) in keep or found is None or not found.ours:
            continue
        if names := draft.facts.held.get(entry.rid, ()):
            kept.append(entry.rid)
            draft.notes.append(_left_alone(entry.rid, names, inventory.stack))
        elif entry.rid.kind in NEVER_PRUNED:
            kept.append(entry.rid)
            draft.notes.append(f"{entry.rid} is no longer part of {inventory.stack} and stays: it may hold data.")
        else:
            chosen.append(entry.rid)
    for batch in _backwards(chosen):
        batch_ids = [
            draft.add(
                Prune(
                    id=f"prune:{ident(rid)}",
                    title=f"Remove {rid}",
                    group=inventory.stack,
                    needs=frozenset(needs | set(ids)),
                    why=f"no longer part of {inventory.stack}",
                    resource=rid,
                    stack=inventory.stack,
                )
            )
            for rid in batch
        ]
        ids += batch_ids
    return ids, kept


def _left_alone(definition: ResourceId, names: Sequence[str], stack: str) -> str:
    return (
        f"{definition.name} stays with {len(names)} of its objects ({some_of(names)}): nothing looks after them until {stack} is"
        f" back, and what they have started runs on. Delete those that are not needed first."
    )


def _backwards(rids: Sequence[ResourceId], *, with_objects: bool = False) -> list[list[ResourceId]]:
    """Batches in the order of taking away: custom resources, workloads, configuration, definitions, namespaces.

    with_objects: definitions take all objects of their kinds along, so they go while the controllers are still there that
    handle these objects' finalizers.
    """

    def turn(rid: ResourceId) -> float:
        early = with_objects and rid.kind == "CustomResourceDefinition"
        return CUSTOM_PHASE - 0.5 if early else phase(rid.kind)

    return [sorted(rid for rid in rids if turn(rid) == number) for number in sorted(set(map(turn, rids)), reverse=True)]


def _record(
    draft: Draft,
    part: StackPart,
    known: StackInventory | None,
    state: tuple[set[str], Sequence[ResourceId]],
    pruned: bool,
) -> None:
    stack, (needs, kept) = part.stack, state
    resources = (*map(ResourceId.of, stack.objects), *kept)
    changed = bool(part.applies or part.secrets or part.ensures or pruned)
    if known is not None and not changed and known.version == stack.version:
        same = {key_of(entry.rid) for entry in known.entries} == {key_of(rid) for rid in resources}
        if same and set(known.ensured) == set(part.ensured):
            return
    ensures = {key for key, action in draft.actions.items() if key in part.ensured and action.group == stack.name}
    draft.add(
        RecordInventory(
            id=f"inventory:{stack.name}",
            title=f"Record what {stack.name} owns",
            group=stack.name,
            needs=frozenset(needs | ensures | {f"intent:{stack.name}"}),
            why="first time" if known is None else "it changed",
            stack=stack.name,
            version=stack.version,
            resources=resources,
            ensured=part.ensured,
        )
    )


def _forget(draft: Draft, inventory: StackInventory, needs: set[str], kept: Sequence[ResourceId]) -> None:
    if kept and {key_of(rid) for rid in kept} == {key_of(entry.rid) for entry in inventory.entries}:
        return
    draft.add(
        RecordInventory(
            id=f"inventory:{inventory.stack}",
            title=f"Record what is left of {inventory.stack}",
            group=inventory.stack,
            needs=frozenset(needs),
            why="no longer wanted",
            stack=inventory.stack,
            version=inventory.version,
            resources=tuple(kept),
        )
    )


def plan_deletion(draft: Draft, purge: bool) -> set[str]:
    """Deletes all objects of all inventories in reverse order; gives the last ids. Volumes and namespaces only with purge."""
    stack_of = {entry.rid: name for name, inventory in draft.facts.inventory.items() for entry in inventory.entries}
    ours = [rid for rid in stack_of if (found := draft.live.get(key_of(rid))) is not None and found.ours]
    chosen = [rid for rid in ours if purge or rid.kind not in NEVER_PRUNED]
    chosen = [rid for rid in chosen if not (rid.kind == "Namespace" and rid.name in NEVER_DELETED)]
    if len(chosen) < len(ours):
        draft.notes.append("Volumes and namespaces stay; `mlstack down --purge` removes them and their data.")
    done: set[str] = set()
    for batch in _backwards(chosen, with_objects=purge):
        done |= {
            draft.add(
                Delete(
                    id=f"delete:{ident(rid)}",
                    title=f"Delete {rid}",
                    group=stack_of[rid],
                    needs=frozenset(done),
                    why="asked for",
                    resource=rid,
                    stack=stack_of[rid],
                    purge=purge,
                )
            )
            for rid in batch
        }
    left = set(ours) - set(chosen)
    return done | _forget_all(draft, done, left)


def _forget_all(draft: Draft, done: set[str], left: set[ResourceId]) -> set[str]:
    records = set()
    for name, inventory in draft.facts.inventory.items():
        records.add(
            draft.add(
                RecordInventory(
                    id=f"inventory:{name}",
                    title=f"Record what is left of {name}",
                    group=name,
                    needs=frozenset(done),
                    why="asked for",
                    stack=name,
                    version=inventory.version,
                    resources=tuple(entry.rid for entry in inventory.entries if entry.rid in left),
                )
            )
        )
    if not left and draft.facts.inventory:
        system = ResourceId("Namespace", SYSTEM_NAMESPACE)
        delete = Delete(
            id=f"delete:{system}",
            title=f"Delete {system}",
            group="cluster",
            needs=frozenset(records),
            resource=system,
            stack="",
        )
        return {draft.add(delete)}
    return records
