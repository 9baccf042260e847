"""What is in the cluster of ours: one LIST a kind, metadata only where the kind has no readiness of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mlstack.core.desired import LiveObject, RenderedStack, StackInventory
from mlstack.core.diff import owned_hash
from mlstack.core.model import ANNOTATION_FINGERPRINT, ANNOTATION_SECRETS, LABEL_INSTANCE, Object, ResourceId
from mlstack.core.ports import ApiResource, Kube
from mlstack.core.readiness import State, has_rule, readiness
from mlstack.core.restarts import revision_of

WORKERS = 6
METADATA_ONLY = frozenset({"CustomResourceDefinition"})
"""Kinds whose bodies are large and which, once ready, stay so."""


def observe_objects(
    kube: Kube, instance: str, stacks: Iterable[RenderedStack], inventories: Mapping[str, StackInventory]
) -> dict[ResourceId, LiveObject]:
    """The live objects of the instance of all kinds that are wanted or were owned, by the id they have in the stacks."""
    conditions = _conditions(stacks := tuple(stacks))
    kinds = _kinds(stacks, inventories)
    resources = [resource for kind in sorted(kinds) if (resource := kube.resource(*kind)) is not None]
    selector = f"{LABEL_INSTANCE}={instance}"

    def read(resource: ApiResource) -> list[Object]:
        waited = has_rule(resource.kind) or resource.kind in {rid.kind for rid in conditions}
        if waited and resource.kind not in METADATA_ONLY:
            return kube.list(resource, selector)
        return kube.list_metadata(resource, selector)

    live: dict[ResourceId, LiveObject] = {}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="observe") as pool:
        for objects in pool.map(read, resources):
            for obj in objects:
                one = live_object(obj, conditions)
                live[one.rid] = one
    return live


def live_object(obj: Object, conditions: Mapping[ResourceId, tuple[str, ...]]) -> LiveObject:
    """What the plan has to know of an object that carries our label. conditions: further ones it must meet to be ready."""
    rid, metadata = ResourceId.of(obj), obj["metadata"]
    ready = True
    if "status" in obj or "spec" in obj:
        wanted = [*([""] if has_rule(rid.kind) else []), *conditions.get(rid, ())]
        ready = all(readiness(obj, condition).state is State.READY for condition in wanted)
    return LiveObject(
        rid=rid,
        fingerprint=(metadata.get("annotations") or {}).get(ANNOTATION_FINGERPRINT, ""),
        owned=owned_hash(metadata),
        uid=metadata.get("uid", ""),
        terminating="deletionTimestamp" in metadata,
        ready=ready,
        revision=revision_of(metadata) if rid.kind == "Secret" else "",
        uses=(metadata.get("annotations") or {}).get(ANNOTATION_SECRETS, ""),
    )


def _conditions(stacks: tuple[RenderedStack, ...]) -> dict[ResourceId, tuple[str, ...]]:
    found: dict[ResourceId, tuple[str, ...]] = {}
    for stack in stacks:
        specs = {spec.resource for spec in stack.waits}
        for rid in map(ResourceId.of, stack.objects) if specs else ():
            if f"{rid.kind}/{rid.name}" in specs:
                found[rid] = tuple(spec.condition for spec in stack.waits if spec.resource == f"{rid.kind}/{rid.name}")
    return found


def _kinds(stacks: tuple[RenderedStack, ...], inventories: Mapping[str, StackInventory]) -> set[tuple[str, str]]:
    kinds = {(str(obj["apiVersion"]), str(obj["kind"])) for stack in stacks for obj in stack.objects}
    kinds.add(("v1", "Secret"))
    known = {(replace(ResourceId(kind, ""), api_version=version).group, kind) for version, kind in kinds}
    for inventory in inventories.values():
        for entry in inventory.entries:
            if (entry.rid.group, entry.rid.kind) not in known:
                kinds.add((entry.rid.api_version, entry.rid.kind))
    return kinds
