"""An API server of three collections, as far as the controller uses it: list, watch, merge with a version."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

INGRESSES = "/apis/networking.internal.knative.dev/v1alpha1/ingresses"
SERVICES = "/api/v1/services"
PODS = "/api/v1/namespaces/knative-serving/pods"
SECRETS = "/api/v1/namespaces/team/secrets"


class FakeApi:
    """Objects by collection. writes: what was merged; fail_lists: answers to the next lists; tokens: those that were sent."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {
            path: {} for path in (INGRESSES, SERVICES, PODS, SECRETS)
        }
        self.queues: list[tuple[str, asyncio.Queue[dict[str, Any] | None]]] = []
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.fail_lists: list[int] = []
        self.tokens: set[str] = set()
        self.lists = 0
        self.log: list[tuple[str, dict[str, Any]]] = []

    def put(self, path: str, obj: dict[str, Any]) -> None:
        obj = copy.deepcopy(obj)
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        kind = "MODIFIED" if key in self.objects[path] else "ADDED"
        self.objects[path][key] = obj
        self.tell(path, {"type": kind, "object": copy.deepcopy(obj)})

    def delete(self, path: str, namespace: str, name: str) -> None:
        obj = self.objects[path].pop((namespace, name))
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.tell(path, {"type": "DELETED", "object": obj})

    def tell(self, path: str, event: dict[str, Any] | None) -> None:
        if event is not None and "metadata" in event["object"]:
            self.log.append((path, event))
        for watched, queue in self.queues:
            if watched == path:
                queue.put_nowait(event)

    def break_watches(self) -> None:
        for path in self.objects:
            self.tell(path, None)

    def app(self) -> Starlette:
        async def collection(request: Request) -> Response:
            self.tokens.add(request.headers["authorization"])
            path = request.url.path
            if request.query_params.get("watch"):
                return StreamingResponse(
                    self.events(path, int(request.query_params["resourceVersion"])), media_type="application/json"
                )
            self.lists += 1
            if self.fail_lists:
                return JSONResponse({"message": "not now"}, status_code=self.fail_lists.pop(0))
            return JSONResponse(
                {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.objects[path].values())}
            )

        async def merge(request: Request) -> Response:
            assert request.headers["content-type"] == "application/merge-patch+json"
            parts, change = request.path_params, await request.json()
            path = INGRESSES if parts["collection"] == "ingresses" else PODS
            found = self.objects[path].get((parts["namespace"], parts["name"]))
            if found is None:
                return JSONResponse({"message": "not found"}, status_code=404)
            wanted = change["metadata"].pop("resourceVersion", None)
            if wanted not in (None, found["metadata"]["resourceVersion"]):
                return JSONResponse({"message": "conflict"}, status_code=409)
            self.writes.append((parts["name"], change))
            self.put(path, merged(found, change))
            return JSONResponse(found)

        async def secret(request: Request) -> Response:
            found = self.objects[SECRETS].get(("team", request.path_params["name"]))
            return JSONResponse(found) if found else JSONResponse({"message": "not found"}, status_code=404)

        group = "/apis/networking.internal.knative.dev/v1alpha1/namespaces/{namespace}/{collection}/{name}/status"
        return Starlette(
            routes=[
                *(Route(path, collection) for path in (INGRESSES, SERVICES, PODS)),
                Route(group, merge, methods=["PATCH"]),
                Route("/api/v1/namespaces/{namespace}/{collection:str}/{name}", merge, methods=["PATCH"]),
                Route(SECRETS + "/{name}", secret),
            ]
        )

    async def events(self, path: str, after: int) -> AsyncIterator[str]:
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        for where, event in self.log:
            if where == path and int(event["object"]["metadata"]["resourceVersion"]) > after:
                queue.put_nowait(event)
        self.queues.append((path, queue))
        try:
            while (event := await queue.get()) is not None:
                yield json.dumps(event) + "\n"
        finally:
            self.queues.remove((path, queue))


def merged(obj: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386."""
    made = dict(obj)
    for key, value in change.items():
        if isinstance(value, dict):
            made[key] = merged(made[key] if isinstance(made.get(key), dict) else {}, value)
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = value
    return made


def pod(name: str, ready: bool = True, **meta: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, "namespace": "knative-serving", **meta}, "status": {"conditions": conditions}}


def account(directory: Path) -> Path:
    (directory / "token").write_text("the-token\n")
    return directory


class Serving:
    """An application on a free port of this loop."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)

    async def __aenter__(self) -> str:
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: Any) -> None:
        self.server.should_exit = True
        await self.task
