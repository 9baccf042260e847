"""The client of the API server, against a small one that speaks HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from portalobjects import flow
from portalworld import matches
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mlstack_portal.cluster import NAMESPACE, POD, WORKFLOW, ClusterError, Kind
from mlstack_portal.kube import KubeApi

pytestmark = pytest.mark.anyio
GONE = Kind("argoproj.io/v1alpha1", "Gone", "gones")


class FakeApi:
    """Serves workflows of one namespace. requests: (method, path, query, headers) of each one."""

    def __init__(self) -> None:
        self.found = [flow("one"), flow("two", phase="Running")]
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.events: list[Any] = []
        root = "/apis/argoproj.io/v1alpha1"
        self.app = Starlette(
            routes=[
                Route(root + "/namespaces/{space}/workflows", self.many, methods=["GET", "POST"]),
                Route(root + "/workflows", self.many),
                Route(root + "/namespaces/{space}/workflows/{name}", self.one),
                Route("/api/v1/namespaces/{space}/pods/{name}/log", self.log),
                Route("/api/v1/namespaces", self.refuse),
                Route("/{rest:path}", self.unknown),
            ]
        )

    def note(self, request: Request) -> None:
        self.requests.append((request.method, request.url.path, dict(request.query_params), dict(request.headers)))

    async def many(self, request: Request) -> Response:
        self.note(request)
        query = request.query_params
        if request.method == "POST":
            made = await request.json()
            return JSONResponse({**made, "metadata": {**made["metadata"], "name": "made"}}, 201)
        if query.get("watch"):
            return StreamingResponse(self.lines(), media_type="application/json")
        items = [
            one for one in self.found if matches(one, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        ]
        bare = [{"metadata": one["metadata"]} for one in items]  # lists of the API name no kind in their items
        return JSONResponse(
            {"kind": "List", "items": bare if "PartialObjectMetadataList" in request.headers["accept"] else items}
        )

    async def lines(self) -> AsyncIterator[str]:
        for event in self.events:
            text = json.dumps(event) + "\n"
            yield text[:20]
            yield text[20:]

    async def one(self, request: Request) -> Response:
        self.note(request)
        found = [one for one in self.found if one["metadata"]["name"] == request.path_params["name"]]
        return JSONResponse(found[0]) if found else await self.unknown(request)

    async def log(self, request: Request) -> Response:
        self.note(request)
        answers = {
            "ran": PlainTextResponse("a\nb\n"),
            "starting": JSONResponse({"message": "is waiting to start"}, 400),
        }
        return answers.get(request.path_params["name"]) or await self.unknown(request)

    async def refuse(self, request: Request) -> Response:
        self.note(request)
        return JSONResponse({"kind": "Status", "message": "namespaces is forbidden"}, 403)

    async def unknown(self, request: Request) -> Response:
        return JSONResponse({"kind": "Status", "message": "not found"}, 404)


@pytest.fixture
def api() -> Iterator[tuple[FakeApi, str]]:
    fake = FakeApi()
    server = uvicorn.Server(uvicorn.Config(fake.app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield fake, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    return tmp_path


async def test_lists_by_selector_with_kinds(api, account: Path) -> None:
    fake, url = api
    client = KubeApi(url, account)
    found = await client.objects(WORKFLOW, "ml", "mlstack.dev/sample=hello", "metadata.name=one")
    assert [(one["kind"], one["metadata"]["name"], "status" in one) for one in found] == [("Workflow", "one", True)]
    bare = await client.objects(WORKFLOW, metadata_only=True)
    assert [(one["kind"], "status" in one) for one in bare] == [("Workflow", False)] * 2
    assert [path for _, path, _, _ in fake.requests] == [
        "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows",
        "/apis/argoproj.io/v1alpha1/workflows",
    ]
    await client.close()


async def test_the_token_is_read_for_each_request(api, account: Path) -> None:
    fake, url = api
    client = KubeApi(url, account)
    await client.get(WORKFLOW, "ml", "one")
    (account / "token").write_text("second")
    await client.get(WORKFLOW, "ml", "one")
    assert [headers["authorization"] for *_, headers in fake.requests] == ["Bearer first", "Bearer second"]
    await client.close()


async def test_what_is_not_there_is_none_or_nothing(api, account: Path) -> None:
    _, url = api
    client = KubeApi(url, account)
    assert await client.get(WORKFLOW, "ml", "three") is None
    assert await client.get(WORKFLOW, "ml", "one/../two") is None
    assert await client.objects(GONE) == []
    assert await client.log("ml", "gone", "main", 5) == []
    assert await client.log("ml", "starting", "main", 5) == []
    assert await client.log("ml", "ran", "main", 5) == ["a", "b"]
    await client.close()


async def test_creates(api, account: Path) -> None:
    _, url = api
    client = KubeApi(url, account)
    made = await client.create(WORKFLOW, "ml", {"metadata": {"generateName": "x-"}})
    assert made["metadata"]["name"] == "made"
    await client.close()


async def test_refusals_carry_the_servers_words(api, account: Path) -> None:
    _, url = api
    client = KubeApi(url, account)
    with pytest.raises(ClusterError) as caught:
        await client.objects(NAMESPACE)
    assert (caught.value.status, caught.value.message) == (403, "namespaces is forbidden")
    await client.close()


async def test_watches_until_the_end_of_the_stream(api, account: Path) -> None:
    fake, url = api
    fake.events = [
        {"type": "ADDED", "object": flow("one", phase="Running")},
        {"type": "BOOKMARK", "object": {}},
        {"type": "MODIFIED", "object": flow("one")},
        {"type": "DELETED", "object": flow("one")},
    ]
    client = KubeApi(url, account)
    seen = [one async for one in client.watch(WORKFLOW, "ml", "one", 5)]
    assert [one and one["status"]["phase"] for one in seen] == ["Running", "Succeeded", None]
    assert fake.requests[-1][2] == {"watch": "true", "fieldSelector": "metadata.name=one", "timeoutSeconds": "5"}
    fake.events = [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
    with pytest.raises(ClusterError, match="too old"):
        [one async for one in client.watch(WORKFLOW, "ml", "one", 5)]
    with pytest.raises(ClusterError, match="not found"):
        [one async for one in client.watch(GONE, "ml", "one", 5)]
    await client.close()


async def test_a_silent_server_is_an_error_of_its_own(account: Path) -> None:
    client = KubeApi("http://127.0.0.1:9", account)
    for call in (client.get(POD, "ml", "x"), client.objects(POD), client.log("ml", "x", "main", 1)):
        with pytest.raises(ClusterError, match="does not answer") as caught:
            await call
        assert caught.value.status == 0
    with pytest.raises(ClusterError, match="does not answer"):
        [one async for one in client.watch(POD, "ml", "x", 1)]
    await client.close()
