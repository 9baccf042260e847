"""Definitions of workflows and of other kinds of runs for tests on a real API server, which they share."""

from __future__ import annotations

from typing import Any

import kubernetes


def definition(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    """One that takes any fields."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": anything}],
        },
    }


def define_workflows(admin: kubernetes.client.ApiClient) -> None:
    """Makes it where it is not there."""
    define(admin, definition("argoproj.io", "v1alpha1", "Workflow", "workflows"))


def define(admin: kubernetes.client.ApiClient, wanted: dict[str, Any]) -> None:
    """Makes a definition where it is not there."""
    definitions = kubernetes.client.ApiextensionsV1Api(admin)
    known = [one.metadata.name for one in definitions.list_custom_resource_definition().items]
    if wanted["metadata"]["name"] not in known:
        definitions.create_custom_resource_definition(wanted)
