"""The client of Kubeflow Pipelines through forwarded ports, over real connections: what it asks, as whom, what it makes of it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mlstack.adapters.pipelinesapi import PipelinesApi
from mlstack.core.errors import MlstackError
from tests.pipelinesworld import EDITOR, EXPORTS, STARTED, run_object


class Cluster:
    """Forwards to the port of the server in this process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.forwarded: list[tuple[str, str, int]] = []

    def forward(self, namespace: str, service: str, port: int) -> contextlib.AbstractContextManager[int]:
        self.forwarded.append((namespace, service, port))
        return contextlib.nullcontext(self.port)


class Api(BaseHTTPRequestHandler):
    """The server's side; ``asked`` of the server holds what came in."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        self.note(None)
        if place.path == "/apis/v2beta1/experiments":
            known = self.server.experiments  # type: ignore[attr-defined]
            wanted = json.loads(parse_qs(place.query)["filter"][0])["predicates"]
            assert wanted == [{"operation": "EQUALS", "key": "display_name", "stringValue": "samples"}]
            self.answer(200, {"experiments": [{"experiment_id": one} for one in known]})
        elif place.path == "/lineage/ann/runs/r1":
            self.answer(200, {"run": "r1", "steps": []})
        else:
            self.answer(404, {"error": "none"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.note(body)
        if self.path == "/apis/v2beta1/experiments":
            self.server.experiments.append("e1")  # type: ignore[attr-defined]
            self.answer(200, {"experiment_id": "e1"})
        elif body["pipeline_spec"].get("bad"):
            self.answer(
                400, {"error": "e", "code": 3, "message": "Failed to create a run: " * 40 + "unknown field bad"}
            )
        else:
            self.answer(200, {"run_id": "r1"})

    def note(self, body: Any) -> None:
        self.server.asked.append((self.path, self.headers.get("kubeflow-userid"), body))  # type: ignore[attr-defined]

    def answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[tuple[Any, Cluster]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.experiments, server.asked = [], []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, Cluster(server.server_port)
    server.shutdown()
    server.server_close()


def test_a_run_is_started_with_the_rights_of_its_namespace(api) -> None:
    server, cluster = api
    made = [PipelinesApi(cluster, EXPORTS).submit(run_object(root={})) for _ in range(2)]
    assert made == ["r1", "r1"]
    assert {user for _, user, _ in server.asked} == {EDITOR}
    sent = [(path, body) for path, _, body in server.asked if body]
    first = {"display_name": "samples", "namespace": "ann"}
    assert [path for path, _ in sent].count("/apis/v2beta1/experiments") == 1, "it is made once"
    assert sent[0] == ("/apis/v2beta1/experiments", first)
    assert sent[1] == ("/apis/v2beta1/runs", STARTED)
    assert set(cluster.forwarded) == {("kubeflow", "ml-pipeline", 8888)}


def test_without_users_nobody_is_named(api) -> None:
    server, cluster = api
    PipelinesApi(cluster, {**EXPORTS, "userHeader": ""}).submit(run_object("ml"))
    assert {user for _, user, _ in server.asked} == {None}
    assert server.asked[1][2] == {"display_name": "samples", "namespace": ""}


def test_what_a_run_recorded_is_read(api) -> None:
    _, cluster = api
    pipelines = PipelinesApi(cluster, EXPORTS)
    assert pipelines.record("ann", "r1") == {"run": "r1", "steps": []}
    assert pipelines.record("ann", "../../x") is None
    assert set(cluster.forwarded) == {("kubeflow", "lineage", 8080)}


def test_a_refusal_says_what_was_wrong(api) -> None:
    _, cluster = api
    with pytest.raises(MlstackError) as caught:
        PipelinesApi(cluster, EXPORTS).submit(run_object(bad=1))
    assert caught.value.code == "pipelines.refused"
    assert caught.value.why.endswith("unknown field bad") and len(caught.value.why) <= 400


def test_a_server_that_does_not_answer_is_told(api) -> None:
    server, cluster = api
    server.shutdown()
    server.server_close()
    with pytest.raises(MlstackError) as caught:
        PipelinesApi(cluster, EXPORTS).record("ann", "r1")
    assert caught.value.code == "pipelines.not-ready"
