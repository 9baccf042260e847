"""Kubeflow Pipelines as the platform has it: what its stack exports, and a run to ask for."""

from __future__ import annotations

from typing import Any

EXPORTS = {
    "namespace": "kubeflow",
    "service": "ml-pipeline",
    "port": "8888",
    "lineageService": "lineage",
    "lineagePort": "8080",
    "serviceAccount": "pipeline-runner",
    "editor": "default-editor",
    "userHeader": "kubeflow-userid",
}
EDITOR = "system:serviceaccount:ann:default-editor"
"""Who asks for a run in the namespace ``ann``."""


def run_object(namespace: str = "ann", **pipeline: Any) -> dict[str, Any]:
    """A sample's filled-in object, with a name of its own."""
    metadata = {"name": "iris-1", "namespace": namespace}
    return {"metadata": metadata, "spec": {"pipeline": pipeline, "parameters": {"c": 1.0}}}


STARTED = {
    "display_name": "iris-1",
    "experiment_id": "e1",
    "pipeline_spec": {"root": {}},
    "runtime_config": {"parameters": {"c": 1.0}},
    "service_account": "pipeline-runner",
}
"""The server is asked for this when ``run_object(root={})`` is started, below the experiment e1."""
