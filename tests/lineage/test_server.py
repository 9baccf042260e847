"""Over real connections, with the C++ store of the wheel and the messages as KFP's driver and launcher send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_metadata.proto import metadata_store_service_pb2 as service

from mlstack_lineage.cache import BadTask, ExecutionCache
from mlstack_lineage.messages import CreateTaskRequest, ListTasksRequest, ListTasksResponse, Task
from mlstack_lineage.server import Tenant
from mlstack_lineage.store import METHODS

METADATA, TASKS = "/ml_metadata.MetadataStoreService/", "/api.TaskService/"
TASK = {"pipelineName": "pipeline/iris", "runId": "r1", "mlmdExecutionID": "7", "fingerprint": "f1"}


class Client:
    """One pod's side."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, path: str, request: Any, reply: Any) -> Any:
        call = self.channel.unary_unary(path, lambda one: one.SerializeToString(), reply.FromString)
        return call(request, timeout=20)

    def metadata(self, method: str, **fields: Any) -> Any:
        request = getattr(service, f"{method}Request")(**fields)
        return self.call(METADATA + method, request, getattr(service, f"{method}Response"))

    def add(self, **fields: str) -> Any:
        return self.call(TASKS + "CreateTaskV1", CreateTaskRequest(task=Task(**{**TASK, **fields})), Task)

    def find(self, size: int = 1, token: str = "", **equal: str) -> list[Any]:
        predicates = [{"op": "EQUALS", "key": key, "stringValue": value} for key, value in equal.items()]
        asked = ListTasksRequest(
            filter=json.dumps({"predicates": predicates}), page_size=size, sort_by="created_at desc", page_token=token
        )
        return list(self.call(TASKS + "ListTasksV1", asked, ListTasksResponse).tasks)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Client, Client]]:
    tenants = [Tenant(name, "127.0.0.1:0", tmp_path) for name in ("ann", "bob")]
    clients = [Client(tenant.port) for tenant in tenants]
    yield clients[0], clients[1]
    for client in clients:
        client.channel.close()
    for tenant in tenants:
        tenant.close()


def refused(code: grpc.StatusCode, call: Any, *args: Any, **fields: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **fields)
    assert caught.value.code() is code, caught.value
    return str(caught.value.details())


def test_what_one_namespace_records_the_other_does_not_see(two) -> None:
    ann, bob = two
    kind = ann.metadata("PutContextType", context_type={"name": "system.PipelineRun"}).type_id
    ann.metadata("PutContexts", contexts=[{"type_id": kind, "name": "run-1"}])
    asked = {"type_name": "system.PipelineRun", "context_name": "run-1"}
    assert ann.metadata("GetContextByTypeAndName", **asked).context.name == "run-1"
    assert not bob.metadata("GetContextByTypeAndName", **asked).HasField("context")
    assert not bob.metadata("GetContexts").contexts


def test_every_call_of_driver_and_launcher_is_served() -> None:
    used = {
        "GetArtifactType",
        "GetArtifactsByID",
        "GetContextByTypeAndName",
        "GetContextsByExecution",
        "GetEventsByExecutionIDs",
        "GetExecutionsByContext",
        "GetExecutionsByID",
        "GetParentContextsByContext",
        "PutArtifactType",
        "PutArtifacts",
        "PutContexts",
        "PutContextType",
        "PutExecution",
        "PutExecutionType",
        "PutExecutions",
        "PutParentContexts",
        "GetArtifactsByContext",
    }
    assert used <= METHODS and len(METHODS) >= 49


def test_the_refusal_of_the_store_reaches_the_caller(two) -> None:
    ann, _ = two
    told = refused(grpc.StatusCode.NOT_FOUND, ann.metadata, "GetArtifactType", type_name="nothing")
    assert "nothing" in told
    garbage = ann.channel.unary_unary(METADATA + "PutArtifactType")
    refused(grpc.StatusCode.INVALID_ARGUMENT, garbage, b"\xff\xff")
    unknown = ann.channel.unary_unary(METADATA + "GetLineageOfEverybody")
    refused(grpc.StatusCode.UNIMPLEMENTED, unknown, b"")


def test_the_cache_gives_the_newest_execution_of_a_fingerprint(two) -> None:
    ann, bob = two
    first = ann.add(namespace="ann", mlmdExecutionID="7")
    second = ann.add(namespace="ann", mlmdExecutionID="9")
    ann.add(fingerprint="f2", mlmdExecutionID="11")
    assert first.id and second.id not in ("", first.id)
    equal = {"fingerprint": "f1", "pipelineName": "pipeline/iris", "namespace": "ann"}
    assert [task.mlmdExecutionID for task in ann.find(**equal)] == ["9"]
    assert ann.find(**{**equal, "pipelineName": "pipeline/other"}) == []
    assert len(ann.find(size=0)) == 2
    assert bob.find(size=0) == [], "nobody finds what another namespace computed"


def test_nobody_writes_into_the_cache_of_another_namespace(two) -> None:
    ann, bob = two
    told = refused(grpc.StatusCode.PERMISSION_DENIED, bob.add, namespace="ann")
    assert told == "this is the cache of namespace bob"
    refused(grpc.StatusCode.PERMISSION_DENIED, bob.add, pipelineName="namespace/ann/pipeline/iris")
    refused(grpc.StatusCode.PERMISSION_DENIED, bob.find, namespace="ann")
    assert ann.find(size=0) == bob.find(size=0) == []


@pytest.mark.parametrize("name", sorted(TASK))
def test_a_task_that_says_too_little_is_refused(two, name: str) -> None:
    told = refused(grpc.StatusCode.INVALID_ARGUMENT, two[0].add, **{name: ""})
    assert told == f"a task needs {name}"


def test_a_second_page_is_refused(two) -> None:
    refused(grpc.StatusCode.INVALID_ARGUMENT, two[0].find, token="x")


def test_times_pass_through_as_they_came(two) -> None:
    task = Task(**TASK)
    task.created_at.seconds, task.created_at.nanos = 1_700_000_000, 5
    made = two[0].call(TASKS + "CreateTaskV1", CreateTaskRequest(task=task), Task)
    assert (made.created_at.seconds, made.created_at.nanos) == (1_700_000_000, 5)


def test_the_cache_outlives_the_server(tmp_path: Path) -> None:
    for expected in (0, 1):
        tenant = Tenant("ann", "127.0.0.1:0", tmp_path)
        client = Client(tenant.port)
        assert len(client.find(size=0)) == expected
        client.add()
        client.channel.close()
        tenant.close()


PREDICATE = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["EQUALS", "IN", 1]),
        "key": st.sampled_from(["fingerprint", "namespace", "task; DROP TABLE tasks"]),
        "stringValue": st.one_of(st.text(max_size=5), st.integers()),
    },
)
FILTER = st.fixed_dictionaries({"predicates": st.lists(PREDICATE, max_size=3)})
FILTERS = st.one_of(st.text(max_size=20), st.builds(json.dumps, FILTER))


@given(text=FILTERS)
def test_any_filter_is_served_or_refused_with_a_reason(text: str, tmp_path_factory) -> None:
    cache = ExecutionCache(tmp_path_factory.mktemp("cache") / "cache.db", "ann")
    try:
        found = cache.find(text, 5)
        assert list(found.tasks) == []
    except Exception as error:
        assert type(error).__name__ in ("BadTask", "OtherNamespace") and str(error)
    finally:
        cache.close()


def test_a_refused_filter_says_what_may_be_asked(tmp_path: Path) -> None:
    with pytest.raises(BadTask, match="fingerprint, pipelineName, namespace"):
        ExecutionCache(tmp_path / "cache.db", "ann").find('{"predicates": [{"op": "EQUALS", "key": "runId"}]}', 1)
