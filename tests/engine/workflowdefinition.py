"""The definition of workflows for tests on a real API server, which they share."""

from __future__ import annotations

import kubernetes

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "workflows.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {"kind": "Workflow", "plural": "workflows"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def define_workflows(admin: kubernetes.client.ApiClient) -> None:
    """Makes it where it is not there."""
    definitions = kubernetes.client.ApiextensionsV1Api(admin)
    known = [one.metadata.name for one in definitions.list_custom_resource_definition().items]
    if DEFINITION["metadata"]["name"] not in known:
        definitions.create_custom_resource_definition(DEFINITION)
