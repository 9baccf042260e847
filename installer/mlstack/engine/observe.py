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
DEFINITION = "CustomResourceDefinition"
METADATA_ONLY = frozenset({DEFINITION})
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


def observe_held(
    kube: Kube, stacks: Iterable[RenderedStack], inventories: Mapping[str, StackInventory]
) -> dict[ResourceId, list[str]]:
    """Definitions of ours that the stacks have no more, with the objects of their kinds; those without any are left out."""
    wanted = {rid.name for stack in stacks for rid in map(ResourceId.of, stack.objects) if rid.kind == DEFINITION}
    owned = {one.rid for inventory in inventories.values() for one in inventory.entries if one.rid.kind == DEFINITION}
    held: dict[ResourceId, list[str]] = {}
    for rid in sorted(owned):
        if rid.name not in wanted and (definition := kube.get(rid)) is not None:
            objects = [obj["metadata"] for obj in objects_of(kube, definition)]
            names = sorted("/".join(filter(None, (one.get("namespace"), one["name"]))) for one in objects)
            held |= {rid: names} if names else {}
    return held


def objects_of(kube: Kube, definition: Object) -> list[Object]:
    """Metadata of the objects whose kind is defined there; none while it is not served."""
    spec = definition["spec"]
    served = next((version["name"] for version in spec["versions"] if version.get("served")), "")
    resource = kube.resource(f"{spec['group']}/{served}", spec["names"]["kind"])
    return kube.list_metadata(resource) if resource else []


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
