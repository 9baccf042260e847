"""Small Kubernetes objects for tests."""

from __future__ import annotations

from typing import Any


def obj(kind: str, name: str, namespace: str = "", api: str = "v1", **body: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= body.pop("metadata", {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def deployment(
    name: str, namespace: str = "ns", *, image: str = "img:1", labels=None, pod=None, kind: str = "Deployment"
):
    labels = labels or {"app": name}
    spec = {"containers": [{"name": "main", "image": image}], **(pod or {})}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return obj(kind, name, namespace, "apps/v1", spec={"selector": {"matchLabels": labels}, "template": template})


def crd(kind: str, group: str, plural: str = "", scope: str = "Namespaced"):
    plural = plural or kind.lower() + "s"
    names = {"kind": kind, "plural": plural}
    spec = {
        "group": group,
        "names": names,
        "scope": scope,
        "versions": [{"name": "v1", "served": True, "storage": True}],
    }
    return obj("CustomResourceDefinition", f"{plural}.{group}", api="apiextensions.k8s.io/v1", spec=spec)
