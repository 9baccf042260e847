"""Protocols v1 and v2 over HTTP. A model is asked on a thread of a pool, so that health is answered meanwhile."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlstack_serve.errors import BadRequest, UnknownModel
from mlstack_serve.models import Loaded
from mlstack_serve.tensors import output, predictions, rows_of_inputs, rows_of_instances

Handler = Callable[[Request], Awaitable[Response]]
SERVER = {"name": "mlstack-serve", "version": "1", "extensions": []}


def make_app(model: Loaded) -> Starlette:
    """The application that serves one model."""
    routes = _Routes(model)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/", routes.alive),
        ("GET", "/v1/models", routes.names),
        ("GET", "/v1/models/{name}", routes.ready_v1),
        ("POST", "/v1/models/{name}:predict", routes.predict),
        ("GET", "/v2", routes.server),
        ("GET", "/v2/health/live", routes.live),
        ("GET", "/v2/health/ready", routes.ready),
        ("GET", "/v2/models/{name}", routes.metadata),
        ("GET", "/v2/models/{name}/ready", routes.ready_v2),
        ("POST", "/v2/models/{name}/infer", routes.infer),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in table],
        exception_handlers={BadRequest: _error(400), UnknownModel: _error(404)},
    )


class _Routes:
    """The handlers of one model's server."""

    def __init__(self, model: Loaded) -> None:
        self._model = model

    def _named(self, request: Request) -> Loaded:
        return named(self._model, request.path_params["name"])

    async def alive(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def names(self, _: Request) -> Response:
        return JSONResponse({"models": [self._model.name]})

    async def ready_v1(self, request: Request) -> Response:
        return JSONResponse({"name": self._named(request).name, "ready": True})

    async def predict(self, request: Request) -> Response:
        model, rows = self._named(request), rows_of_instances(await _body(request))
        return JSONResponse(predictions(await run_in_threadpool(model.predict, rows)))

    async def server(self, _: Request) -> Response:
        return JSONResponse(SERVER)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        return JSONResponse({"ready": True})

    async def ready_v2(self, request: Request) -> Response:
        return JSONResponse({"name": self._named(request).name, "ready": True})

    async def metadata(self, request: Request) -> Response:
        model = self._named(request)
        tensor = {"name": "input-0", "datatype": "FP64", "shape": [-1, model.features or -1]}
        return JSONResponse(
            {"name": model.name, "versions": [], "platform": model.platform, "inputs": [tensor], "outputs": []}
        )

    async def infer(self, request: Request) -> Response:
        model, body = self._named(request), await _body(request)
        rows = rows_of_inputs(body.get("inputs") if isinstance(body, dict) else None)
        found = await run_in_threadpool(model.predict, rows)
        answer: dict[str, Any] = {"model_name": model.name, "outputs": [output(found, "output-0")]}
        return JSONResponse(answer | ({"id": body["id"]} if "id" in body else {}))


def named(model: Loaded, name: str) -> Loaded:
    """The model, when it is the one that is asked for. Raises UnknownModel."""
    if name != model.name:
        raise UnknownModel(f"no model {name} is served here, but {model.name}")
    return model


async def _body(request: Request) -> Any:
    """The body as JSON, whatever its content type says."""
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def _error(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _, error: JSONResponse({"error": str(error)}, status)
