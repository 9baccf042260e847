"""What we own in the cluster, kept in the cluster: one Secret per stack, an ApplySet parent by its labels."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from mlstack.core.desired import InventoryEntry, StackInventory
from mlstack.core.errors import MlstackError
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, SYSTEM_NAMESPACE, Object, ResourceId
from mlstack.core.plan_base import APPLYSET_ID, applyset_id, inventory_name
from mlstack.core.ports import Kube

LABEL_INVENTORY = "mlstack.dev/inventory"
FORMAT = 1
GZIP_FROM = 4096
"""Bytes of JSON from which the inventory is stored compressed."""


def read_inventories(kube: Kube, instance: str) -> dict[str, StackInventory]:
    """All inventories of an instance by stack, with one request. Raises MlstackError inventory.damaged."""
    secrets = kube.resource("v1", "Secret")
    if secrets is None:
        return {}
    found = kube.list(secrets, f"{LABEL_INSTANCE}={instance},{LABEL_INVENTORY}=true", SYSTEM_NAMESPACE)
    inventories = (_decode(secret) for secret in found)
    return {inventory.stack: inventory for inventory in inventories}


def other_instances(kube: Kube, instance: str) -> list[str]:
    """Instances whose inventories are in the same cluster, sorted."""
    secrets = kube.resource("v1", "Secret")
    found = kube.list_metadata(secrets, f"{LABEL_INVENTORY}=true", SYSTEM_NAMESPACE) if secrets else []
    return sorted({str(one["metadata"]["labels"].get(LABEL_INSTANCE, "")) for one in found} - {instance, ""})


def write_inventory(kube: Kube, instance: str, inventory: StackInventory) -> None:
    """Writes one inventory; one without entries is taken away."""
    name = inventory_name(instance, inventory.stack)
    if not inventory.entries and not inventory.ensured:
        kube.delete(ResourceId("Secret", name, SYSTEM_NAMESPACE))
        return
    kube.apply(_encode(instance, name, inventory))


def _encode(instance: str, name: str, inventory: StackInventory) -> Object:
    entries = [
        {
            "apiVersion": entry.rid.api_version,
            "kind": entry.rid.kind,
            "namespace": entry.rid.namespace,
            "name": entry.rid.name,
        }
        | {"fingerprint": entry.fingerprint, "owned": entry.owned}
        for entry in inventory.entries
    ]
    document = {
        "format": FORMAT,
        "stack": inventory.stack,
        "version": inventory.version,
        "entries": entries,
        "ensured": list(inventory.ensured),
    }
    raw = json.dumps(document, separators=(",", ":")).encode()
    key, data = (
        ("inventory.json.gz", gzip.compress(raw, 6, mtime=0)) if len(raw) >= GZIP_FROM else ("inventory.json", raw)
    )
    kinds = sorted({f"{entry.rid.kind}.{entry.rid.group}".rstrip(".") for entry in inventory.entries})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {
                LABEL_INSTANCE: instance,
                LABEL_STACK: inventory.stack,
                LABEL_INVENTORY: "true",
                APPLYSET_ID: applyset_id(instance, inventory.stack),
            },
            "annotations": {
                "applyset.kubernetes.io/tooling": "mlstack/v1",
                "applyset.kubernetes.io/contains-group-kinds": ",".join(kinds),
            },
        },
        "type": "mlstack.dev/inventory",
        "data": {key: base64.b64encode(data).decode()},
    }


def _decode(secret: Object) -> StackInventory:
    try:
        data: Mapping[str, str] = secret["data"]
        if "inventory.json.gz" in data:
            raw = gzip.decompress(base64.b64decode(data["inventory.json.gz"], validate=True))
        else:
            raw = base64.b64decode(data["inventory.json"], validate=True)
        document: Mapping[str, Any] = json.loads(raw)
        return StackInventory(
            stack=document["stack"],
            version=document["version"],
            entries=tuple(_entry(item) for item in document["entries"]),
            ensured=tuple(document["ensured"]),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError):
        name = secret.get("metadata", {}).get("name", "?")
        raise MlstackError(
            "inventory.damaged",
            f"The inventory Secret/{SYSTEM_NAMESPACE}/{name} cannot be read",
            why="it was changed by something else than mlstack",
            remedy=f"Delete it (`kubectl -n {SYSTEM_NAMESPACE} delete secret {name}`) and run `mlstack up`, which writes it anew. "
            "Objects that are no longer wanted are then not removed by themselves.",
        ) from None


def _entry(item: Mapping[str, Any]) -> InventoryEntry:
    rid = ResourceId(item["kind"], item["name"], item["namespace"], item["apiVersion"])
    return InventoryEntry(rid, item["fingerprint"], item["owned"])
