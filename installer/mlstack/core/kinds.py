"""Facts about kinds of Kubernetes objects that rendering needs: which live in namespaces, which hold pod templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttributesClass",
    }
)
"""Built-in kinds that have no namespace. Kinds of CRDs are told by the CRD itself, see ``cluster_kinds``."""

SYSTEM_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
"""Namespaces that Kubernetes makes: a stack may put objects there but never owns them."""

_TEMPLATE_PATHS: Mapping[str, tuple[str, ...]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "Pod": (),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}


def cluster_kinds(objects: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """CLUSTER_SCOPED and the cluster-scoped kinds that CRDs among the objects declare."""
    declared = {
        obj["spec"]["names"]["kind"]
        for obj in objects
        if obj["kind"] == "CustomResourceDefinition" and obj["spec"].get("scope") == "Cluster"
    }
    return CLUSTER_SCOPED | declared


def pod_template(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of a workload that has a pod's ``metadata`` and ``spec``; None for other kinds."""
    path = _TEMPLATE_PATHS.get(obj["kind"])
    if path is None:
        return None
    part: Any = obj
    for key in path:
        part = part.get(key) or {}
    return part if isinstance(part, dict) else None


def containers(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container of a pod template as (``containers`` or ``initContainers``, container)."""
    spec = template.get("spec") or {}
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            yield group, container
