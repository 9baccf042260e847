"""The view of runs: what KFP recorded as plain data, for those whom the cluster lets see it."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Collection, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from ml_metadata.proto import metadata_store_pb2 as records
from ml_metadata.proto import metadata_store_service_pb2 as service

from mlstack_lineage.cluster import Cluster
from mlstack_lineage.store import Store
from mlstack_lineage.tenants import Tenants
from mlstack_lineage.web import Door, application, groups_of
from mlstack_pod.kube import Kube, KubeError

HEADERS = {"kubeflow-userid": "ann@lab"}


def put(store: Store, method: str, **fields: Any) -> Any:
    request = getattr(service, f"{method}Request")(**fields)
    return getattr(service, f"{method}Response").FromString(store.call(method, request.SerializeToString()))


def record_run(store: Store) -> None:
    """As KFP's driver and launcher do it: a run, a step that read nothing and wrote a model, a cached one that read it."""
    step = put(store, "PutExecutionType", execution_type={"name": "system.ContainerExecution"}).type_id
    kind = put(store, "PutArtifactType", artifact_type={"name": "system.Model"}).type_id
    run = put(store, "PutContextType", context_type={"name": "system.PipelineRun"}).type_id
    context = put(store, "PutContexts", contexts=[{"type_id": run, "name": "run-1"}]).context_ids[0]
    in_run = {"contexts": [{"id": context, "type_id": run, "name": "run-1"}]}
    model = records.Artifact(type_id=kind, uri="minio://profile-ann/v2/model")
    model.custom_properties["framework"].string_value = "scikit-learn"
    train = records.Execution(type_id=step, last_known_state=records.Execution.COMPLETE)
    train.custom_properties["task_name"].string_value = "train"
    train.custom_properties["inputs"].struct_value.update({"c": 0.5})
    wrote = records.Event(type=records.Event.OUTPUT)
    wrote.path.steps.add(key="model")
    pair = {"artifact": model, "event": wrote}
    made = put(
        store,
        "PutExecution",
        execution=train,
        artifact_event_pairs=[pair],
        **in_run,
    )
    again = records.Execution(type_id=step, last_known_state=records.Execution.CACHED)
    again.custom_properties["task_name"].string_value = "evaluate"
    read = records.Event(type=records.Event.INPUT, artifact_id=made.artifact_ids[0])
    read.path.steps.add(key="model")
    put(
        store,
        "PutExecution",
        execution=again,
        artifact_event_pairs=[{"event": read}],
        **in_run,
    )


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[Tenants]:
    found = Tenants(tmp_path, "127.0.0.1")
    # the port is the system's choice: nobody calls it here
    found.follow({"ann": 0, "bob": 0})
    store = found.store("ann")
    assert store
    record_run(store)
    yield found
    found.close()


class Client:
    """Requests to the application, without a network."""

    def __init__(self, tenants: Tenants, door: Door) -> None:
        self.transport = httpx.ASGITransport(application(tenants, door))

    def get(self, path: str, headers: Any = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://lineage") as link:
                return await link.get(path, headers=headers)

        return asyncio.run(ask())


def client(tenants: Tenants, allowed: Collection[str] = ("ann@lab",)) -> Client:
    def may(user: str, groups: Sequence[str], namespace: str) -> bool:
        return namespace == "ann" and (user in allowed or any(one in allowed for one in groups))

    return Client(tenants, Door(may, "kubeflow-userid", "kubeflow-groups"))


def test_a_run_is_told_with_parameters_and_artifacts(tenants: Tenants) -> None:
    answer = client(tenants).get("/lineage/ann/runs/run-1", headers=HEADERS)
    assert answer.status_code == 200
    train, evaluate = answer.json()["steps"]
    assert (train["name"], train["state"], train["cached"]) == ("train", "COMPLETE", False)
    assert train["parameters"] == {"c": 0.5}
    model = train["outputs"]["model"]
    assert (model["type"], model["uri"]) == ("system.Model", "minio://profile-ann/v2/model")
    assert model["metadata"] == {"framework": "scikit-learn"}
    assert evaluate["cached"] and evaluate["inputs"]["model"]["id"] == model["id"]


@pytest.mark.parametrize("path", ["/lineage/ann/runs/run-2", "/lineage/bob/runs/run-1", "/lineage/eve/runs/run-1"])
def test_what_is_not_there_and_what_may_not_be_seen_look_alike(tenants: Tenants, path: str) -> None:
    answer = client(tenants).get(path, headers=HEADERS)
    assert answer.status_code == 404 and "that you may see" in answer.json()["error"]


def test_who_may_not_see_a_run_does_not(tenants: Tenants) -> None:
    stranger = client(tenants, ())
    assert stranger.get("/lineage/ann/runs/run-1", headers=HEADERS).status_code == 404


@pytest.mark.parametrize(
    "headers", [[], [("kubeflow-userid", "")], [("kubeflow-userid", "ann@lab"), ("kubeflow-userid", "eve@lab")]]
)
def test_without_one_user_nothing_is_told(tenants: Tenants, headers: list[tuple[str, str]]) -> None:
    assert client(tenants).get("/lineage/ann/runs/run-1", headers=headers).status_code == 401


def test_a_group_opens_what_its_members_may_see(tenants: Tenants) -> None:
    groups = base64.urlsafe_b64encode(json.dumps(["admins"]).encode()).decode().rstrip("=")
    headers = {"kubeflow-userid": "eve@lab", "kubeflow-groups": groups}
    assert client(tenants, ("admins",)).get("/lineage/ann/runs/run-1", headers=headers).status_code == 200


def test_no_group_of_the_cluster_itself_is_believed() -> None:
    packed = base64.urlsafe_b64encode(json.dumps(["system:masters", "readers"]).encode()).decode()
    assert groups_of(packed) == ["readers"]
    assert groups_of("system:masters,readers") == ["readers"]
    assert groups_of("") == []


def test_a_cluster_that_does_not_answer_is_no_permission(tenants: Tenants) -> None:
    def may(*_: Any) -> bool:
        raise KubeError(0, "no route")

    asked = Client(tenants, Door(may, "kubeflow-userid"))
    assert asked.get("/lineage/ann/runs/run-1", headers=HEADERS).status_code == 503


def test_a_platform_without_users_asks_nobody(tenants: Tenants) -> None:
    def never(*_: Any) -> bool:
        raise AssertionError("nobody is asked")

    assert Client(tenants, Door(never)).get("/lineage/ann/runs/run-1").status_code == 200


def test_ready_means_that_the_list_was_read(tmp_path: Path, tenants: Tenants) -> None:
    assert client(tenants).get("/healthz").status_code == 200
    assert client(Tenants(tmp_path / "new")).get("/healthz").status_code == 503


class Api(BaseHTTPRequestHandler):
    """An API server that knows one ConfigMap and lets one user see one namespace."""

    def do_GET(self) -> None:
        known = self.path == "/api/v1/namespaces/kubeflow/configmaps/tenants"
        self.answer(200 if known else 404, {"data": {"tenants.json": '{"ann": 9000}'}} if known else {})

    def do_POST(self) -> None:
        spec = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
        asked = spec["resourceAttributes"]
        right = (asked["group"], asked["resource"], asked["verb"]) == ("pipelines.kubeflow.org", "runs", "get")
        allowed = right and (spec["user"], asked["namespace"]) == ("ann@lab", "ann")
        self.answer(201, {"status": {"allowed": allowed}})

    def answer(self, status: int, body: Any) -> None:
        good = self.headers["Authorization"] == "Bearer word"
        self.send_response(status if good else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body if good else {}).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "token").write_text("word\n")
    yield Cluster(Kube("lineage", f"http://127.0.0.1:{server.server_port}", tmp_path), "kubeflow")
    server.shutdown()
    server.server_close()


def test_the_cluster_is_asked_with_the_token_of_now(cluster: Cluster, tmp_path: Path) -> None:
    assert json.loads(cluster.listed("tenants")) == {"ann": 9000}
    assert cluster.may_see("ann@lab", [], "ann") is True
    assert cluster.may_see("ann@lab", [], "bob") is False
    (tmp_path / "token").write_text("old")
    with pytest.raises(KubeError) as caught:
        cluster.may_see("ann@lab", [], "ann")
    assert caught.value.status == 401


def test_a_list_that_is_not_there_is_told(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="ConfigMap other has no tenants"):
        cluster.listed("other")
