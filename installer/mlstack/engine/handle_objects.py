"""Handlers for objects: apply, prune, delete, inventories. What is taken away is looked at once more right before."""

from __future__ import annotations

import base64
import copy

from mlstack.core.actions import Apply, Delete, Prune, RecordInventory
from mlstack.core.desired import InventoryEntry, StackInventory
from mlstack.core.diff import Change, compare
from mlstack.core.errors import MlstackError
from mlstack.core.events import Message
from mlstack.core.model import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_REPLICAS,
    LABEL_INSTANCE,
    LABEL_STACK,
    SYSTEM_NAMESPACE,
    Object,
    ResourceId,
)
from mlstack.core.order import CUSTOM_PHASE, phase
from mlstack.core.plan_base import key_of
from mlstack.core.ports import Kube
from mlstack.core.restarts import marked, revision_of, secrets_mark
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.gone import release, unattended, wait_gone
from mlstack.engine.handle_certificates import authority_bundle, authority_id
from mlstack.engine.inventory import other_instances, write_inventory
from mlstack.engine.observe import DEFINITION, objects_of

REMADE = frozenset({"Job", "StorageClass", "PriorityClass", "RoleBinding", "ClusterRoleBinding", "CSIDriver"})
"""Kinds with fields that cannot be changed and that hold nothing of their own, so that they may be deleted and made anew."""


def apply(context: Context, action: Apply) -> Done:
    """Applies an object. One of REMADE that cannot be changed is made anew; one that is being deleted is waited out."""
    kube, rid = context.access.writer(), ResourceId.of(action.object)
    if _as_wanted(context, kube, action):
        return Done(False, "as wanted already")
    obj = _trusting(action.object, authority_bundle(context, kube)) if action.ca_bundle else action.object
    if action.secrets:
        obj = marked(obj, secrets_mark({one: _revision(kube, one) for one in action.secrets}))
    annotations = obj["metadata"].get("annotations") or {}
    if ANNOTATION_REPLICAS in annotations and context.live.get(rid) is None:
        _make(kube, obj, int(annotations[ANNOTATION_REPLICAS]))
    try:
        answer = kube.apply(obj)
    except MlstackError as error:
        if not (error.code == "kube.invalid" and rid.kind in REMADE and "immutable" in error.why):
            raise
        kube.delete(rid)
        wait_gone(context, kube, rid)
        answer = kube.apply(obj)
    if "deletionTimestamp" in answer["metadata"]:
        wait_gone(context, kube, rid, answer["metadata"].get("uid", ""))
        answer = kube.apply(obj)
    context.note(rid, obj, answer)
    return Done(True, action.why)


def _make(kube: Kube, obj: Object, replicas: int) -> None:
    """Makes a workload with so many pods. Not by an apply, which would have to keep saying how many there are."""
    try:
        kube.create({**obj, "spec": {**obj["spec"], "replicas": replicas}})
    except MlstackError as error:
        if error.code != "kube.conflict":  # there is one already
            raise


def _as_wanted(context: Context, kube: Kube, action: Apply) -> bool:
    """Whether an object of a cluster that was stopped when the plan was made turns out to be as it should."""
    rid = ResourceId.of(action.object)
    live, known = context.live.get(rid), context.inventories.get(action.stack)
    if live is None or known is None or action.ca_bundle:
        return False
    entry = next((one for one in known.entries if key_of(one.rid) == key_of(rid)), None)
    fingerprint = action.object["metadata"]["annotations"][ANNOTATION_FINGERPRINT]
    if compare(fingerprint, live, entry).change is not Change.UNCHANGED:
        return False
    return live.uses == secrets_mark({one: _revision(kube, one) for one in action.secrets})


def _revision(kube: Kube, rid: ResourceId) -> str:
    found = kube.get(rid)
    return revision_of(found["metadata"]) if found else ""


def _trusting(obj: Object, bundle: str) -> Object:
    """A copy whose webhooks, APIService or conversion trust the CA, or a ConfigMap that holds it. bundle: PEM in base64."""
    trusting = copy.deepcopy(obj)
    if trusting["kind"] == "ConfigMap":
        trusting.setdefault("data", {})["ca.crt"] = base64.b64decode(bundle).decode()
    for hook in trusting.get("webhooks") or ():
        hook.setdefault("clientConfig", {})["caBundle"] = bundle
    spec = trusting.get("spec") or {}
    if trusting["kind"] == "APIService":
        spec["caBundle"] = bundle
        spec.pop("insecureSkipTLSVerify", None)
    webhook = (spec.get("conversion") or {}).get("webhook")
    if webhook:
        webhook.setdefault("clientConfig", {})["caBundle"] = bundle
    return trusting


def prune(context: Context, action: Prune) -> Done:
    """Deletes an object that is no longer wanted, if it is still the one we own."""
    return _remove(context, action.resource, action.stack, action.id, with_objects=False)


def delete(context: Context, action: Delete) -> Done:
    """Deletes an object of ours; the system namespace, which carries no stack, too."""
    if action.resource == ResourceId("Namespace", SYSTEM_NAMESPACE):
        return _delete_system(context, action.resource)
    return _remove(context, action.resource, action.stack, action.id, with_objects=action.purge)


def _delete_system(context: Context, rid: ResourceId) -> Done:
    """Deletes the namespace of inventories; while other instances keep theirs there, only what is ours in it."""
    others = other_instances(context.access.reader(), context.instance)
    if not others:
        context.access.abandon()
        deleted = context.access.reader().delete(rid)
        wait_gone(context, context.access.reader(), rid)
        return Done(deleted)
    context.access.reader().delete(authority_id(context.instance))
    context.access.close()
    return Done(False, f"kept: {', '.join(others)} uses it")


def _remove(context: Context, rid: ResourceId, stack: str, step: str, *, with_objects: bool) -> Done:
    kube = context.access.writer()
    found = kube.get(rid)
    if found is None:
        return Done(False, "gone already")
    labels = found["metadata"].get("labels") or {}
    reason = ""
    if labels.get(LABEL_INSTANCE) != context.instance or labels.get(LABEL_STACK) != stack:
        reason = "it does not carry our labels any more"
    elif rid.kind == DEFINITION and not with_objects:
        reason = _in_use(kube, found)
    if reason:
        context.emit(Message(text=f"{rid} stays: {reason}.", level="warning", step=step))
        return Done(False, f"kept: {reason}")
    takes_along = rid.kind == "Namespace" or (rid.kind == DEFINITION and with_objects)
    if takes_along:
        release(kube, unattended(context.inventories), rid)
    uid = found["metadata"].get("uid", "")
    changed = kube.delete(rid, uid=uid)
    if takes_along or phase(rid.kind) == CUSTOM_PHASE:
        wait_gone(context, kube, rid, uid)
    return Done(changed)


def _in_use(kube: Kube, definition: Object) -> str:
    count = len(objects_of(kube, definition))
    return f"there are {count} objects of its kind" if count else ""


def record_inventory(context: Context, action: RecordInventory) -> Done:
    """Writes a stack's inventory: what was applied in this run, else what was recorded before."""
    known = context.inventories.get(action.stack)
    before = {key_of(entry.rid): entry for entry in known.entries} if known else {}
    with context.lock:
        applied = dict(context.applied)
    resources = {key_of(rid): rid for rid in action.resources}
    if context.blind:
        # Objects that are no longer wanted stay ours; the next run, which sees them, takes them away.
        resources = {**{key: entry.rid for key, entry in before.items()}, **resources}
    entries = []
    for rid in resources.values():
        old = before.get(key_of(rid), InventoryEntry(rid))
        entries.append(old if action.intent else applied.get(rid) or InventoryEntry(rid, old.fingerprint, old.owned))
    version = known.version if known and action.intent else action.version
    inventory = StackInventory(action.stack, version, tuple(entries), action.ensured)
    write_inventory(context.access.writer(), context.instance, inventory)
    return Done(True, f"{len(entries)} objects")
