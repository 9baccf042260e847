"""What a run recorded, for people and programs: its steps with parameters and artifacts as plain data."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as records
from ml_metadata.proto import metadata_store_service_pb2 as service

from mlstack_lineage.store import Store

RUN_TYPE = "system.PipelineRun"
"""Type of the context that KFP makes for each run; its name is the run's id."""
_CACHED = records.Execution.CACHED


def lineage(store: Store, run: str) -> dict[str, Any] | None:
    """The run's steps in the order in which they began; None for a run that recorded nothing here. Raises StoreError."""
    asked = service.GetContextByTypeAndNameRequest(type_name=RUN_TYPE, context_name=run)
    context = _ask(store, "GetContextByTypeAndName", asked, service.GetContextByTypeAndNameResponse)
    if not context.HasField("context"):
        return None
    number = context.context.id
    by_context = service.GetExecutionsByContextRequest(context_id=number)
    executions = _ask(store, "GetExecutionsByContext", by_context, service.GetExecutionsByContextResponse).executions
    used = service.GetEventsByExecutionIDsRequest(execution_ids=[one.id for one in executions])
    events = _ask(store, "GetEventsByExecutionIDs", used, service.GetEventsByExecutionIDsResponse).events
    wanted = service.GetArtifactsByIDRequest(artifact_ids=sorted({event.artifact_id for event in events}))
    artifacts = _ask(store, "GetArtifactsByID", wanted, service.GetArtifactsByIDResponse).artifacts
    known = {one.id: _artifact(one) for one in artifacts}
    ordered = sorted(executions, key=lambda one: one.id)
    return {"run": run, "steps": [_step(one, events, known) for one in ordered]}


def _step(execution: Any, events: Any, artifacts: dict[int, dict[str, Any]]) -> dict[str, Any]:
    properties = {name: _value(value) for name, value in execution.custom_properties.items()}
    found: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
    for event in events:
        side = "inputs" if event.type in (records.Event.INPUT, records.Event.DECLARED_INPUT) else "outputs"
        names = [step.key for step in event.path.steps if step.key]
        if event.execution_id == execution.id and names and event.artifact_id in artifacts:
            found[side][names[0]] = artifacts[event.artifact_id]
    return {
        "id": execution.id,
        "name": str(properties.get("task_name") or properties.get("display_name") or ""),
        "type": execution.type.removeprefix("system."),
        "state": records.Execution.State.Name(execution.last_known_state),
        "cached": execution.last_known_state == _CACHED,
        "parent": properties.get("parent_dag_id", 0),
        "iteration": properties.get("iteration_index"),
        "parameters": properties.get("inputs") or {},
        "results": properties.get("outputs") or {},
        **found,
    }


def _artifact(artifact: Any) -> dict[str, Any]:
    metadata = {name: _value(value) for name, value in artifact.custom_properties.items()}
    return {"id": artifact.id, "type": artifact.type, "uri": artifact.uri, "metadata": metadata}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind) if kind else None
    return json_format.MessageToDict(found) if kind == "struct_value" else found


def _ask(store: Store, method: str, request: Any, reply: Any) -> Any:
    return reply.FromString(store.call(method, request.SerializeToString()))
