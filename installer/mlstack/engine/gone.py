"""Waiting for deleted objects to be gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from mlstack.core.desired import StackInventory
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.model import ResourceId
from mlstack.core.podspec import SERVERS
from mlstack.core.ports import Kube
from mlstack.engine.context import Context
from mlstack.engine.observe import DEFINITION, objects_of

GONE_WITHIN = 180.0
"""Seconds a deleted object's finalizers may take."""
LOOK_SECONDS = 2.0
NUDGE_SECONDS = 5.0
"""How often the namespace controller is made to look again; it needs that long itself after each change."""
ANNOTATION_AWAITED = "mlstack.dev/awaited"


def wait_gone(context: Context, kube: Kube, rid: ResourceId, uid: str = "") -> None:
    """Waits until a deleted object is gone. Raises MlstackError kube.stuck when finalizers hold it, run.interrupted."""
    resource, deadline = kube.resource(rid.api_version, rid.kind), time.monotonic() + GONE_WITHIN
    nudged = time.monotonic()
    while resource is not None:
        found = kube.get(rid)
        if found is None or (uid and found["metadata"].get("uid") != uid):
            return
        if context.cancelled():
            raise interrupted(f"the deletion of {rid}")
        if time.monotonic() > deadline:
            held = ", ".join(found["metadata"].get("finalizers") or ()) or "its parts"
            raise MlstackError(
                "kube.stuck",
                f"{rid} is being deleted but does not go away",
                why=f"held by {held}",
                remedy="Start what handles the finalizer, or remove the finalizer by hand, then run the command again.",
            )
        if rid.kind == "Namespace" and time.monotonic() - nudged >= NUDGE_SECONDS:
            nudged = time.monotonic()
            _nudge(kube, rid)
        events = kube.watch(resource, namespace=rid.namespace, fields=f"metadata.name={rid.name}", timeout=LOOK_SECONDS)
        for event in events:
            if event.type == "DELETED":
                break


def unattended(inventories: Mapping[str, StackInventory]) -> list[ResourceId]:
    """Definitions that stayed for their objects' sake when their stack was taken away: no program of ours looks after these."""
    return [
        one.rid
        for inventory in inventories.values()
        if not any(one.rid.kind in SERVERS for one in inventory.entries)
        for one in inventory.entries
        if one.rid.kind == DEFINITION
    ]


def release(kube: Kube, definitions: Iterable[ResourceId], going: ResourceId) -> None:
    """Takes the finalizers off objects of unattended kinds that go with a definition or a namespace: who would act on them is gone,
    and so is what it would have to undo."""
    space = going.name if going.kind == "Namespace" else None
    for rid in definitions if space else [rid for rid in definitions if rid == going]:
        definition = kube.get(rid)
        for obj in objects_of(kube, definition) if definition else ():
            metadata = obj["metadata"]
            if metadata.get("finalizers") and space in (None, metadata.get("namespace")):
                with suppress(MlstackError):  # it may be gone by now
                    kube.patch(ResourceId.of(obj), {"metadata": {"finalizers": None}})


def _nudge(kube: Kube, namespace: ResourceId) -> None:
    """Changes a namespace that is being deleted. Where a pod in it may take its time to end, which is five minutes for a Knative
    Service, its controller comes back after half of that only, even when the pod ends at once; a change brings it back."""
    with suppress(MlstackError):  # it may be gone by now
        kube.patch(namespace, {"metadata": {"annotations": {ANNOTATION_AWAITED: datetime.now(UTC).isoformat()}}})
