"""New content of a ConfigMap or a Secret means new pods: what is written on pod templates for that, and who is due. Pure.

A ConfigMap is rendered, so its hash goes into the template. A Secret's value is known to nobody here, and a hash of a short
one would tell it: the template gets a hash of its identity and of the times at which its data was written instead.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlstack.core.diff import digest
from mlstack.core.model import ANNOTATION_CONFIG, ANNOTATION_SECRETS, Object, ResourceId
from mlstack.core.podspec import SERVERS, contents, pod_template

DATA = frozenset({"f:data", "f:stringData"})


def mark_configuration(objects: Sequence[Object]) -> None:
    """Writes on every server's pod template which content its ConfigMaps have. Changes the objects in place.

    What is not among the objects is left out. A template that carries the annotation already decides for itself.
    """
    maps = {_place(obj): obj for obj in objects if obj["kind"] == "ConfigMap"}
    for obj in objects if maps else ():
        template = pod_template(obj) if obj["kind"] in SERVERS else None
        namespace = obj["metadata"].get("namespace", "")
        names = sorted(contents(obj, "ConfigMap")) if template else []
        found = [maps[namespace, name] for name in names if (namespace, name) in maps]
        texts = [[one["metadata"]["name"], one.get("data"), one.get("binaryData")] for one in found]
        if texts:
            _annotate(obj, {ANNOTATION_CONFIG: digest(texts)[:16]}, keep=True)


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _annotate(obj: Object, notes: Mapping[str, str], *, keep: bool = False) -> None:
    template: Any = pod_template(obj)
    metadata = template.setdefault("metadata", {})
    there = metadata.get("annotations") or {}
    metadata["annotations"] = {**notes, **there} if keep else {**there, **notes}


def secrets_of(obj: Object, known: Iterable[ResourceId]) -> tuple[ResourceId, ...]:
    """The Secrets among the known ones that a server's pods read."""
    if obj["kind"] not in SERVERS:
        return ()
    names, namespace = contents(obj, "Secret"), obj["metadata"].get("namespace", "")
    return tuple(sorted(rid for rid in known if rid.namespace == namespace and rid.name in names))


def revision_of(metadata: Mapping[str, Any]) -> str:
    """Which state of its data an object is in: another one after each write to the data, and where it was made anew."""
    times = [
        (str(entry.get("manager")), str(entry.get("operation")), str(entry.get("time", "")))
        for entry in metadata.get("managedFields") or ()
        if DATA & (entry.get("fieldsV1") or {}).keys()
    ]
    return digest([metadata.get("uid", ""), *sorted(times)])


def secrets_mark(revisions: Mapping[ResourceId, str]) -> str:
    """What a workload is marked with that reads Secrets of these revisions; empty without any."""
    return digest(sorted((str(rid), revision) for rid, revision in revisions.items()))[:16] if revisions else ""


def marked(obj: Object, mark: str) -> Object:
    """A copy of the workload whose pods are started anew when the mark differs from the one that it has."""
    twin = copy.deepcopy(obj)
    notes = twin["metadata"].get("annotations") or {}
    twin["metadata"]["annotations"] = {**notes, ANNOTATION_SECRETS: mark}
    _annotate(twin, {ANNOTATION_SECRETS: mark})
    return twin
