"""What differs between a live object and the wanted one: hashes for the plan, readable field changes for people. No I/O."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlstack.core.desired import InventoryEntry, LiveObject
from mlstack.core.model import ANNOTATION_FINGERPRINT, FIELD_MANAGER, Object

MASK = "(secret)"
SERVER_FIELDS = frozenset({"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"})


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON form: sorted keys, no spaces. 32 hex digits are kept, which is plenty and short."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fingerprint_of(obj: Object) -> str:
    """Fingerprint of a rendered object. Our own fingerprint annotation never takes part."""
    annotations = obj.get("metadata", {}).get("annotations") or {}
    if ANNOTATION_FINGERPRINT not in annotations:
        return digest(obj)
    kept = {key: value for key, value in annotations.items() if key != ANNOTATION_FINGERPRINT}
    metadata = {**obj["metadata"], "annotations": kept}
    if not kept:
        del metadata["annotations"]
    return digest({**obj, "metadata": metadata})


def stamped(obj: Object, fingerprint: str, labels: Mapping[str, str] | None = None) -> Object:
    """A copy of the object with its fingerprint as annotation and further labels; the original is left alone.

    A Secret's ``stringData`` becomes ``data``: the server owns it under that name, and as the former it would drift for ever.
    """
    metadata = dict(obj["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION_FINGERPRINT: fingerprint}
    if labels:
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    result = {**obj, "metadata": metadata}
    if obj.get("kind") == "Secret" and obj.get("stringData"):
        plain = {key: base64.b64encode(str(value).encode()).decode() for key, value in result.pop("stringData").items()}
        result["data"] = {**(obj.get("data") or {}), **plain}
    return result


def owned_hash(metadata: Mapping[str, Any], manager: str = FIELD_MANAGER) -> str:
    """Hash of the set of fields that our manager owns by server-side apply; empty when it owns none.

    When somebody else changes a field we own, the server takes it out of our set: the hash changes and tells the drift.
    """
    for entry in metadata.get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return digest(entry.get("fieldsV1") or {})
    return ""


class Change(StrEnum):
    """How a wanted object compares with the live one."""

    UNCHANGED = "unchanged"
    APPLY = "apply"
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The change and why, in words for ``mlstack plan``."""

    change: Change
    why: str = ""


def compare(fingerprint: str, live: LiveObject | None, entry: InventoryEntry | None) -> Comparison:
    """Compares by hashes only. entry: what the last run recorded of the object, None when it recorded nothing."""
    if live is None:
        return Comparison(Change.APPLY, "absent")
    if live.terminating:
        return Comparison(Change.APPLY, "being deleted")
    if live.fingerprint != fingerprint:
        return Comparison(Change.APPLY, "changed" if live.fingerprint else "not applied by mlstack before")
    if entry is None or not entry.owned:
        return Comparison(Change.APPLY, "an earlier run did not finish")
    if entry.owned != live.owned:
        return Comparison(Change.DRIFTED, "fields were changed by somebody else")
    return Comparison(Change.UNCHANGED)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One differing field. before/after: JSON text, empty when the field is absent there."""

    path: str
    before: str
    after: str


def field_changes(live: Object | None, wanted: Object) -> tuple[FieldChange, ...]:
    """The fields in which ``wanted`` differs from ``live``, by path; what only the server sets does not count.

    Fields that the wanted object leaves out are not differences (server-side apply leaves them alone). A Secret's data is
    masked: only that a key differs is told.
    """
    masked = wanted.get("kind") == "Secret"
    return tuple(_walk("", _plain(live) if live else None, _plain(wanted), masked))


def _plain(obj: Object) -> Object:
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in SERVER_FIELDS}
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != ANNOTATION_FINGERPRINT
    }
    metadata["annotations"] = annotations
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _walk(path: str, before: Any, after: Any, masked: bool) -> Iterator[FieldChange]:
    if isinstance(after, dict) and (isinstance(before, dict) or before is None):
        for key in sorted(after):
            child = f"{path}.{key}" if path else str(key)
            yield from _walk(child, (before or {}).get(key), after[key], masked)
    elif isinstance(after, list) and isinstance(before, list):
        yield from _walk_list(path, before, after, masked)
    elif before != after:
        yield _change(path, before, after, masked)


def _walk_list(path: str, before: list[Any], after: list[Any], masked: bool) -> Iterator[FieldChange]:
    named = all(isinstance(item, dict) and "name" in item for item in [*before, *after])
    old = {item["name"]: item for item in before} if named else dict(enumerate(before))
    new = {item["name"]: item for item in after} if named else dict(enumerate(after))
    for key in new:
        yield from _walk(f"{path}[{key}]", old.get(key), new[key], masked)
    for key in old:
        if key not in new:
            yield _change(f"{path}[{key}]", old[key], None, masked)


def _change(path: str, before: Any, after: Any, masked: bool) -> FieldChange:
    secret = masked and path.split(".")[0] in ("data", "stringData")

    def text(value: Any) -> str:
        if value is None:
            return ""
        return MASK if secret else json.dumps(value, ensure_ascii=False, sort_keys=True)

    return FieldChange(path, text(before), text(after))
