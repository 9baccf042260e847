"""Answers for models that cannot be asked, over real HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator

import pytest
from inferenceworld import Memory, pod, service

from mlstack_inference.web import make_server

MODELS = "apis/serving.kserve.io/v1beta1/namespaces/ann/inferenceservices"


@pytest.fixture
def address(memory: Memory) -> Iterator[tuple[str, int]]:
    server = make_server(memory, ("127.0.0.1", 0), lambda: "models" in memory.lists)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[:2]  # type: ignore[misc]
    server.shutdown()
    server.server_close()


def ask(address, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


def test_a_model_that_waits_is_told_with_503(memory: Memory, address) -> None:
    init = {"name": "storage-initializer", "state": {"terminated": {"exitCode": 1, "message": "no model: none there"}}}
    memory.lists = {MODELS: [service(ready=False)], "api/v1/namespaces/ann/pods": [pod(initContainerStatuses=[init])]}
    status, answer = ask(address, "/serving/ann/iris/v1/models/iris:predict", "POST", b"x" * 100_000)
    assert status == 503
    assert answer["error"] == "Pod/ann/iris-predictor-7d9f waits for its model"
    assert answer["why"] == "no model: none there"
    assert "storageUri (s3://models/iris)" in answer["remedy"]
    assert "api/v1/namespaces/ann/pods?labelSelector=serving.kserve.io/inferenceservice%3Diris" in memory.asked


def test_a_name_that_no_model_has_is_404(memory: Memory, address) -> None:
    memory.lists = {MODELS: [service("rose")]}
    assert ask(address, "/serving/ann/irsi/")[0] == 404
    assert ask(address, "/serving/ann/irsi/")[1]["remedy"] == "There is rose."


@pytest.mark.parametrize("path", ["/serving/", "/serving/ann", "/serving/ann/"])
def test_a_path_of_no_model_says_how_paths_are(address, path) -> None:
    assert ask(address, path) == (404, {"error": "a model is at /serving/NAMESPACE/NAME/"})


def test_a_cluster_that_does_not_answer_is_told(memory: Memory, address) -> None:
    memory.silent = 1
    status, answer = ask(address, "/serving/ann/iris/")
    assert status == 503
    assert answer["error"] == "the cluster does not say why: the API server does not answer: refused"


def test_it_is_alive_before_it_is_ready(memory: Memory, address) -> None:
    assert (ask(address, "/alive")[0], ask(address, "/ready")[0]) == (200, 503)
    memory.lists["models"] = []
    assert ask(address, "/ready")[0] == 200


def test_head_has_no_body(address) -> None:
    assert ask(address, "/serving/", "HEAD") == (404, {})
