"""The few messages of KFP's TaskService, described here as their wire format needs it; KFP publishes no Python package of them."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "api.TaskService"
_TYPES = descriptor_pb2.FieldDescriptorProto
_TASK = {
    "id": 1,
    "namespace": 2,
    "pipelineName": 3,
    "runId": 4,
    "mlmdExecutionID": 5,
    "created_at": 6,
    "finished_at": 7,
    "fingerprint": 8,
}
_TIMES = ("created_at", "finished_at")


def _field(name: str, number: int, kind: int = _TYPES.TYPE_STRING, of: str = "", *, many: bool = False) -> Any:
    label = _TYPES.LABEL_REPEATED if many else _TYPES.LABEL_OPTIONAL
    made = _TYPES(name=name, number=number, type=kind, label=label)
    if of:
        made.type, made.type_name = _TYPES.TYPE_MESSAGE, f".api.{of}"
    return made


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="mlstack/tasks.proto", package="api", syntax="proto3")
    # times are handed through as they came
    time = _field("seconds", 1, _TYPES.TYPE_INT64), _field("nanos", 2, _TYPES.TYPE_INT32)
    task = [_field(name, number, of="Time" if name in _TIMES else "") for name, number in _TASK.items()]
    asked = [
        _field("page_token", 1),
        _field("page_size", 2, _TYPES.TYPE_INT32),
        _field("sort_by", 3),
        _field("filter", 5),
    ]
    found = [_field("tasks", 1, of="Task", many=True), _field("next_page_token", 2)]
    for name, fields in {
        "Time": time,
        "Task": task,
        "CreateTaskRequest": [_field("task", 1, of="Task")],
        "ListTasksRequest": asked,
        "ListTasksResponse": [*found, _field("total_size", 3, _TYPES.TYPE_INT32)],
    }.items():
        file.message_type.add(name=name).field.extend(fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _types() -> dict[str, Any]:
    pool = _pool()
    names = ("Task", "CreateTaskRequest", "ListTasksRequest", "ListTasksResponse")
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"api.{name}")) for name in names}


MESSAGES = _types()
Task: Any = MESSAGES["Task"]
CreateTaskRequest: Any = MESSAGES["CreateTaskRequest"]
ListTasksRequest: Any = MESSAGES["ListTasksRequest"]
ListTasksResponse: Any = MESSAGES["ListTasksResponse"]
