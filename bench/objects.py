"""About 650 objects in ten stacks with the mix of kinds a platform has; workloads have no replicas, so no node is needed.

Of profile ``standard`` one object in fifteen is of a kind that the platform itself defines, such as a VirtualService; so here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def platform(stacks: int = 10) -> dict[str, list[Object]]:
    """Objects by stack name; each stack has a namespace of its name, which is not among them."""
    return {f"bench-{number}": list(_stack(f"bench-{number}", number)) for number in range(stacks)}


def encoded(text: str) -> str:
    """A value as a Secret's ``data`` holds it."""
    return base64.b64encode(text.encode()).decode()


def _one(api: str, kind: str, name: str, namespace: str, body: Object) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def _stack(name: str, number: int) -> Iterator[Object]:
    for index in range(3):
        yield _definition(number, index)
    for index in range(4):
        yield _one(f"{_group(number)}/v1", "Thing0", f"thing-{index}", name, {"spec": {"field0": f"value {index}"}})
    for index in range(4):
        yield from _part(name, f"part-{index}")
    for index in range(17):
        data = {f"key-{line}": f"value {line} of {name}" * 4 for line in range(20)}
        yield _one("v1", "ConfigMap", f"config-{index}", name, {"data": data})
    for index in range(4):
        data = {"note": encoded(f"constant test value {index}")}
        yield _one("v1", "Secret", f"secret-{index}", name, {"data": data})


def _part(name: str, called: str) -> Iterator[Object]:
    """A workload with what usually comes with it."""
    yield _one("v1", "ServiceAccount", called, name, {})
    rules = {"rules": [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list", "watch"]}]}
    yield _one(f"{RBAC}/v1", "Role", called, name, rules)
    yield _one(f"{RBAC}/v1", "ClusterRole", f"{name}-{called}", "", rules)
    subjects = [{"kind": "ServiceAccount", "name": called, "namespace": name}]
    for kind, role, title, space in (
        ("RoleBinding", "Role", called, name),
        ("ClusterRoleBinding", "ClusterRole", f"{name}-{called}", ""),
    ):
        reference = {"apiGroup": RBAC, "kind": role, "name": title}
        yield _one(f"{RBAC}/v1", kind, title, space, {"roleRef": reference, "subjects": subjects})
    selector = {"matchLabels": {"app": called}}
    service = {"selector": {"app": called}, "ports": [{"name": "http", "port": 80}]}
    yield _one("v1", "Service", called, name, {"spec": service})
    yield _one("apps/v1", "Deployment", called, name, {"spec": _deployment(called)})
    yield _one("networking.k8s.io/v1", "NetworkPolicy", called, name, {"spec": {"podSelector": selector}})
    budget = {"minAvailable": 0, "selector": selector}
    yield _one("policy/v1", "PodDisruptionBudget", called, name, {"spec": budget})


def _group(number: int) -> str:
    return f"g{number}.bench.example"


def _definition(number: int, index: int) -> Object:
    plural, kind, group = f"things{index}", f"Thing{index}", _group(number)
    fields = {f"field{line}": {"type": "string", "description": "what this field is for " * 8} for line in range(120)}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    body = {"spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}}
    return _one("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", "", body)


def _deployment(called: str) -> Object:
    container = {
        "name": "main",
        "image": "quay.io/example/part:v1",
        "env": [{"name": f"VARIABLE_{line}", "value": f"value {line}"} for line in range(12)],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 80}},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    volumes = [{"name": "config", "configMap": {"name": "config-0"}}]
    spec = {"serviceAccountName": called, "containers": [container], "volumes": volumes}
    template = {"metadata": {"labels": {"app": called}}, "spec": spec}
    return {"replicas": 0, "selector": {"matchLabels": {"app": called}}, "template": template}
