"""Reads a Workflow object's status: its steps, phases and results. Pure; field names are those of the Argo Workflows API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlstack.core.model import Object

LABEL_WORKFLOW = "workflows.argoproj.io/workflow"
"""Label of every pod of a workflow: the workflow's name."""
ANNOTATION_NODE = "workflows.argoproj.io/node-name"
"""Annotation of a workflow's pod: the node it runs."""
MAIN_CONTAINER = "main"
"""The container of a workflow's pod that runs the user's program."""

_EXECUTOR = re.compile(r'^time="[^"]+" level=.* argo=true\b')


def is_executor_line(line: str) -> bool:
    """True for what the engine's executor writes into a step's log about itself; nobody who runs a sample asked for it."""
    return bool(_EXECUTOR.search(line))


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One attempt of one step that runs a pod. attempt: counts from 0; seconds: run time so far as the status tells."""

    id: str
    name: str
    phase: str
    message: str
    attempt: int
    seconds: float


def phase_of(flow: Object) -> str:
    """The workflow's phase; ``Pending`` before the controller saw it."""
    return str(flow.get("status", {}).get("phase") or "Pending")


def finished(flow: Object) -> bool:
    """True once the controller wrote the end of the workflow."""
    return bool(flow.get("status", {}).get("finishedAt"))


def steps_of(flow: Object) -> list[FlowStep]:
    """Every attempt that ran or will run a pod, in the order in which they started."""
    nodes = flow.get("status", {}).get("nodes") or {}
    attempts = {
        child: (str(node["displayName"]), number)
        for node in nodes.values()
        if node.get("type") == "Retry"
        for number, child in enumerate(node.get("children") or [])
    }
    found = []
    for key, node in sorted(nodes.items(), key=lambda item: (item[1].get("startedAt") or "~", item[0])):
        if node.get("type") not in ("Pod", "Skipped"):
            continue
        name, attempt = attempts.get(key, (str(node["displayName"]), 0))
        phase, message = str(node.get("phase") or "Pending"), str(node.get("message") or "")
        found.append(FlowStep(key, name, phase, message, attempt, seconds_between(node)))
    return found


def seconds_between(status: Mapping[str, Any]) -> float:
    """Seconds from startedAt to finishedAt; 0 while one of them is missing."""
    began, ended = status.get("startedAt"), status.get("finishedAt")
    if not began or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def results_of(flow: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(values, artifact places) for the results a sample names; one that the run did not make is left out.

    wanted: result name -> ``outputs.parameters.<name>`` (of the whole workflow), ``parameter:<step>/<name>`` or
    ``artifact:<step>/<name>``; an artifact's place is ``s3://bucket/key``.
    """
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for result, where in wanted.items():
        if where.startswith("artifact:"):
            place = _artifact(flow, *_split(where))
            places |= {result: place} if place else {}
        else:
            step, name = _split(where) if where.startswith("parameter:") else ("", where.rpartition(".")[2])
            value = _parameter(flow, step, name)
            values |= {result: value} if value is not None else {}
    return values, places


def _split(where: str) -> tuple[str, str]:
    step, _, name = where.partition(":")[2].rpartition("/")
    return step, name


def _outputs(flow: Object, step: str) -> list[Mapping[str, Any]]:
    """Outputs of the nodes that show as ``step`` (empty: the workflow itself), the last attempt last."""
    if not step:
        return [flow.get("status", {}).get("outputs") or {}, *_outputs(flow, flow["metadata"]["name"])]
    nodes = (flow.get("status", {}).get("nodes") or {}).values()
    return [node.get("outputs") or {} for node in nodes if node.get("displayName") == step]


def _parameter(flow: Object, step: str, name: str) -> str | None:
    for outputs in reversed(_outputs(flow, step)):
        for parameter in outputs.get("parameters") or []:
            if parameter.get("name") == name and "value" in parameter:
                return str(parameter["value"])
    return None


def _artifact(flow: Object, step: str, name: str) -> str:
    repository = flow.get("status", {}).get("artifactRepositoryRef", {}).get("artifactRepository", {}).get("s3", {})
    for outputs in reversed(_outputs(flow, step)):
        for artifact in outputs.get("artifacts") or []:
            s3 = artifact.get("s3") or {}
            if artifact.get("name") == name and s3.get("key"):
                return f"s3://{s3.get('bucket') or repository.get('bucket', '')}/{s3['key']}"
    return ""
