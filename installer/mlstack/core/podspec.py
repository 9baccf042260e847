"""What a workload's pod template refers to: configuration, accounts, claims, images. Reads objects only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlstack.core.model import Object

WORKLOAD_KINDS = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"}
)


def pod_template(obj: Object) -> Mapping[str, Any] | None:
    """The pod template (metadata and spec) of a built-in workload; None for every other kind."""
    if obj.get("kind") not in WORKLOAD_KINDS:
        return None
    if obj["kind"] == "Pod":
        return obj
    spec = obj.get("spec") or {}
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return spec.get("template") or {}


def pod_labels(obj: Object) -> Mapping[str, str]:
    """The labels its pods carry."""
    return ((pod_template(obj) or {}).get("metadata") or {}).get("labels") or {}


def containers_of(obj: Object) -> Iterator[Mapping[str, Any]]:
    """All containers, init containers first."""
    spec = (pod_template(obj) or {}).get("spec") or {}
    for part in ("initContainers", "containers"):
        yield from spec.get(part) or ()


def images_of(obj: Object) -> set[str]:
    """The image references its containers run."""
    return {container["image"] for container in containers_of(obj) if container.get("image")}


SERVERS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""Workloads whose pods live on and are replaced when their template changes."""


def contents(obj: Object, kind: str) -> set[str]:
    """Names of the ConfigMaps or Secrets whose content the pods read, optional ones included."""
    spec = (pod_template(obj) or {}).get("spec") or {}
    found = {*_of_volumes(spec, optional=True), *_of_containers(obj, optional=True)}
    return {name for one, name in found if one == kind and name}


def references(obj: Object) -> set[tuple[str, str]]:
    """(kind, name) of everything the pods need to start; what is marked optional does not count."""
    spec = (pod_template(obj) or {}).get("spec") or {}
    found = set(_of_volumes(spec)) | set(_of_containers(obj))
    found.update(("Secret", item.get("name", "")) for item in spec.get("imagePullSecrets") or ())
    found.add(("ServiceAccount", spec.get("serviceAccountName") or spec.get("serviceAccount") or ""))
    found.add(("PriorityClass", spec.get("priorityClassName") or ""))
    found.add(("RuntimeClass", spec.get("runtimeClassName") or ""))
    for claim in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
        found.add(("StorageClass", (claim.get("spec") or {}).get("storageClassName") or ""))
    return {(kind, name) for kind, name in found if name}


def _of_volumes(spec: Mapping[str, Any], optional: bool = False) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or ():
        sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in sources:
            yield from _of_source(source, optional)
        claim = volume.get("persistentVolumeClaim") or {}
        yield "PersistentVolumeClaim", claim.get("claimName", "")


def _of_source(source: Mapping[str, Any], optional: bool) -> Iterator[tuple[str, str]]:
    for part, kind, name in (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")):
        reference = source.get(part) or {}
        if optional or not reference.get("optional"):
            yield kind, reference.get(name) or reference.get("name") or ""


def _of_containers(obj: Object, optional: bool = False) -> Iterator[tuple[str, str]]:
    pairs = (
        ("secretRef", "Secret"),
        ("configMapRef", "ConfigMap"),
        ("secretKeyRef", "Secret"),
        ("configMapKeyRef", "ConfigMap"),
    )
    for container in containers_of(obj):
        holders = [
            *(container.get("envFrom") or ()),
            *((env.get("valueFrom") or {}) for env in container.get("env") or ()),
        ]
        for holder in holders:
            for part, kind in pairs:
                reference = holder.get(part) or {}
                if optional or not reference.get("optional"):
                    yield kind, reference.get("name", "")
