"""The client of Kubeflow Pipelines: what it asks, as whom, and what it makes of the answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from mlstack_portal.pipelines import Pipelines, PipelinesApi, PipelinesError
from tests.pipelinesworld import EDITOR, EXPORTS, STARTED, run_object

pytestmark = pytest.mark.anyio
API = "http://ml-pipeline.kubeflow.svc.cluster.local:8888/apis/v2beta1"


class Server:
    """Both services. asked: (verb, address, who asks, body); experiments: those there are; broken: text instead of an answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.experiments: list[dict[str, str]] = []
        self.broken = ""

    def client(self) -> PipelinesApi:
        return PipelinesApi(httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        who = request.headers.get("kubeflow-userid")
        self.asked.append((request.method, str(request.url.copy_with(query=None)), who, body))
        if self.broken == "silent":
            raise httpx.ConnectError("no route")
        if self.broken:
            return httpx.Response(200, text=self.broken)
        path = request.url.path
        if path == "/apis/v2beta1/experiments":
            if request.method == "GET":
                return httpx.Response(200, json={"experiments": self.experiments})
            self.experiments.append({"experiment_id": "e1"})
            return httpx.Response(200, json={"experiment_id": "e1"})
        if path == "/apis/v2beta1/runs":
            bad = body["pipeline_spec"].get("bad")
            return httpx.Response(
                bad or 200, json={"message": "Failed: " * 90 + "unknown field"} if bad else {"run_id": "r1"}
            )
        if path == "/lineage/ann/runs/r1":
            return httpx.Response(200, json={"steps": []})
        return httpx.Response(404, json={"error": "none"})


async def test_a_run_is_started_as_the_namespaces_editors() -> None:
    server = Server()
    client: Pipelines = server.client()
    for _ in range(2):
        assert await client.submit(EXPORTS, run_object(root={})) == "r1"
    assert {who for _, _, who, _ in server.asked} == {EDITOR}
    sent = [(address, body) for verb, address, _, body in server.asked if verb == "POST"]
    assert [address for address, _ in sent] == [f"{API}/experiments", f"{API}/runs", f"{API}/runs"], "it is made once"
    assert sent[0][1] == {"display_name": "samples", "namespace": "ann"}
    assert sent[1][1] == STARTED


async def test_what_a_run_recorded_is_read() -> None:
    server = Server()
    assert await server.client().record(EXPORTS, "ann", "r1") == {"steps": []}
    assert await server.client().record(EXPORTS, "ann", "../../x") is None
    addresses = [address for _, address, _, _ in server.asked]
    assert addresses[0] == "http://lineage.kubeflow.svc.cluster.local:8080/lineage/ann/runs/r1"
    assert addresses[1].endswith("/lineage/ann/runs/..%2F..%2Fx")


@pytest.mark.parametrize(("status", "refused"), [(400, True), (403, True), (500, False)])
async def test_a_refusal_says_what_was_wrong(status: int, refused: bool) -> None:
    with pytest.raises(PipelinesError) as caught:
        await Server().client().submit(EXPORTS, run_object(bad=status))
    assert caught.value.refused is refused
    assert caught.value.message.endswith("unknown field") and len(caught.value.message) <= 400


@pytest.mark.parametrize("broken", ["silent", "<html>"])
async def test_a_server_that_does_not_answer_is_told(broken: str) -> None:
    server = Server()
    server.broken = broken
    with pytest.raises(PipelinesError, match="does not answer") as caught:
        await server.client().record(EXPORTS, "ann", "r1")
    assert not caught.value.refused
