"""What every rendered object gets: a namespace, the labels of instance and stack, and the stack's Namespace object in front."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from mlstack.core.catalogue import Entry
from mlstack.core.context import PROVIDES, USES
from mlstack.core.kinds import SYSTEM_NAMESPACES, cluster_kinds, pod_template
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, Object
from mlstack.core.restarts import mark_configuration
from mlstack.core.upstream import set_namespace

POD_SECURITY = "pod-security.kubernetes.io"


def namespace_object(entry: Entry) -> Object | None:
    """The stack's Namespace with its Pod Security level and the capabilities it uses; None where Kubernetes owns it."""
    spec = entry.document.spec
    if spec.namespace in SYSTEM_NAMESPACES:
        return None
    labels = {
        f"{POD_SECURITY}/enforce": spec.pod_security,
        f"{POD_SECURITY}/warn": spec.pod_security,
        **{f"{USES}/{need}": "true" for need in spec.requires},
        **{f"{PROVIDES}/{capability}": "true" for capability in spec.provides},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": spec.namespace, "labels": labels}}


def finish(objects: Sequence[Object], entry: Entry, instance: str, elsewhere: Set[str] = frozenset()) -> list[Object]:
    """The objects with namespaces, labels and marks of their configuration, every Namespace first, then CRDs as they come.

    Changes them in place. elsewhere: kinds without a namespace that other stacks define.
    """
    set_namespace(objects, entry.document.spec.namespace)
    without = cluster_kinds(objects) | elsewhere
    labels = {LABEL_INSTANCE: instance, LABEL_STACK: entry.name}
    for obj in objects:
        if obj["kind"] in without:
            obj["metadata"].pop("namespace", None)
        _label(obj["metadata"], labels)
        template = pod_template(obj)
        if template is not None and obj["kind"] != "Pod":
            _label(template.setdefault("metadata", {}), labels)
    mark_configuration(objects)
    return sorted(objects, key=lambda obj: obj["kind"] != "Namespace")


def _label(metadata: dict[str, Any], labels: dict[str, str]) -> None:
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
