"""Secrets as objects of an instance: encoded, labelled, created. Their values go to the API server and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from mlstack.core.errors import MlstackError
from mlstack.core.model import ANNOTATION_FINGERPRINT, LABEL_INSTANCE, LABEL_STACK, Object, ResourceId
from mlstack.core.ports import Kube


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """Values as a Secret's ``data`` holds them."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def secret_object(
    instance: str,
    rid: ResourceId,
    stack: str,
    data: Mapping[str, str],
    *,
    kind: str = "Opaque",
    mark: str = "",
    notes: Mapping[str, str] | None = None,
) -> Object:
    """The Secret, labelled as the instance's. data: encoded; kind: its ``type``; mark: of what it was made from, if any; notes:
    further annotations."""
    labels = {LABEL_INSTANCE: instance, LABEL_STACK: stack}
    annotations = {**(notes or {}), **({ANNOTATION_FINGERPRINT: mark} if mark else {})}
    metadata = {"name": rid.name, "namespace": rid.namespace, "labels": labels}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": dict(data)}


def create(kube: Kube, obj: Object) -> Object:
    """Creates it; when somebody was faster, theirs counts."""
    try:
        return kube.create(obj)
    except MlstackError as error:
        found = kube.get(ResourceId.of(obj)) if error.code == "kube.conflict" else None
        if found is None:
            raise
        return found
