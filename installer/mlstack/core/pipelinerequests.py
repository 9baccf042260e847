"""What is asked of Kubeflow Pipelines to start a sample and to read what it recorded, as data: who sends it is others' part. Pure.

exports: of capability ``pipelines``, where its services are and whose rights are used.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlstack.core.model import Object

EXPERIMENT = "samples"
"""What runs of samples are listed below."""
API = "/apis/v2beta1"
RUNS = f"{API}/runs"
EXPERIMENTS = f"{API}/experiments"
WORDS = 400
"""Characters of a refusal that are told."""


def run_name(obj: Object) -> str:
    """The name of a run of a sample's filled-in object; ``sample_of_name`` reads the sample back."""
    metadata = obj["metadata"]
    return str(metadata.get("name") or f"{metadata['generateName']}{secrets.token_hex(3)}")


def sample_of_name(name: str) -> str:
    """The sample that a run of that name is of, if it is one."""
    return name.rpartition("-")[0]


def identity(exports: Mapping[str, str], namespace: str) -> dict[str, str]:
    """The headers that say who asks: the editors' account of the namespace. None where the platform has no users."""
    header = exports["userHeader"]
    return {header: f"system:serviceaccount:{namespace}:{exports['editor']}"} if header else {}


def experiment_query(exports: Mapping[str, str], namespace: str) -> str:
    """Path of the question for EXPERIMENT in a namespace."""
    same = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": EXPERIMENT}]}
    space = quote(_space(exports, namespace))
    return f"{EXPERIMENTS}?page_size=1&namespace={space}&filter={quote(json.dumps(same))}"


def experiment_body(exports: Mapping[str, str], namespace: str) -> dict[str, Any]:
    """What makes EXPERIMENT."""
    return {"display_name": EXPERIMENT, "namespace": _space(exports, namespace)}


def experiment_id(found: Mapping[str, Any]) -> str:
    """Its id in the answer to ``experiment_query``, empty where there is none."""
    listed = found.get("experiments") or []
    return str(listed[0]["experiment_id"]) if listed else ""


def run_body(exports: Mapping[str, str], obj: Object, experiment: str) -> dict[str, Any]:
    """What starts a run of a sample's filled-in object: ``spec.pipeline`` with ``spec.parameters``. experiment: its id."""
    spec = obj["spec"]
    return {
        "display_name": run_name(obj),
        "experiment_id": experiment,
        "pipeline_spec": dict(spec["pipeline"]),
        "runtime_config": {"parameters": dict(spec.get("parameters") or {})},
        "service_account": exports["serviceAccount"],
    }


def record_path(namespace: str, run: str) -> str:
    """Where it is told what a run recorded."""
    return f"/lineage/{quote(namespace, safe='')}/runs/{quote(run, safe='')}"


def refusal(status: int, answer: Mapping[str, Any]) -> str:
    """Why a request was not served. The server's errors repeat themselves from call to call; what was wrong is at the end."""
    return str(answer.get("message") or answer.get("error") or f"status {status}")[-WORDS:]


def _space(exports: Mapping[str, str], namespace: str) -> str:
    return namespace if exports["userHeader"] else ""  # without users there are no namespaces either
