"""A transformer: what is asked is changed by the user's ``transformer.py`` on its way to a model, and so is the answer.

``python -m mlstack_serve.transformer --model_name iris --predictor_host HOST``; KServe writes these arguments. The program has
``preprocess(request)`` and ``postprocess(answer)``, from JSON object to JSON object; one it does not have changes nothing.
A ``ValueError`` that ``preprocess`` raises is the client's error, with its text.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlstack_serve.errors import BadModel
from mlstack_serve.listen import listen
from mlstack_serve.programs import module_of

Body = dict[str, Any]
Answer = tuple[int, Any]
Handler = Callable[[Request], Awaitable[Response]]
OK = 200


@dataclass(frozen=True, slots=True)
class Transformer:
    """preprocess and postprocess: the user's; ask: path and body -> status and answer of the model."""

    name: str
    preprocess: Callable[[Body], Body]
    postprocess: Callable[[Body], Body]
    ask: Callable[[str, Body], Answer]

    def answer(self, path: str, raw: bytes) -> Answer:
        """Status and answer for a request, of protocol v1 or v2. The model's refusals are passed on as they are."""
        try:
            body = json.loads(raw)
        except ValueError as error:
            return 400, {"error": f"the body is not JSON: {error}"}
        if not isinstance(body, dict):
            return 400, {"error": "the body is not a JSON object"}
        try:
            changed = self.preprocess(body)
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"the request cannot be transformed: {error}"}
        try:
            status, found = self.ask(path, changed)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return 503, {"error": f"the model does not answer: {error}"}
        return (status, self.postprocess(found)) if status == OK else (status, found)


def asker(host: str, seconds: float = 60) -> Callable[[str, Body], Answer]:
    """Asks the model at ``host[:port]``. Raises OSError, HTTPException or ValueError where it gives no answer in JSON."""

    def ask(path: str, body: Body) -> Answer:
        connection = http.client.HTTPConnection(host, timeout=seconds)
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return ask


def make_transformer(name: str, directory: Path, ask: Callable[[str, Body], Answer]) -> Transformer:
    """With the directory's ``transformer.py``. Raises BadModel."""
    module = module_of(directory / "transformer.py")
    before, after = getattr(module, "preprocess", _same), getattr(module, "postprocess", _same)
    if before is _same and after is _same:
        raise BadModel("transformer.py has neither a function preprocess nor a function postprocess")
    return Transformer(name, before, after, ask)


def _same(body: Body) -> Body:
    return body


def make_app(transformer: Transformer) -> Starlette:
    """The application: the two ways to ask, and health."""

    async def transform(request: Request) -> Response:
        status, body = await run_in_threadpool(transformer.answer, request.url.path, await request.body())
        return JSONResponse(body, status)

    async def alive(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def known(request: Request) -> Response:
        found = request.path_params["name"] == transformer.name
        return JSONResponse({"name": transformer.name, "ready": True}, OK if found else 404)

    table: list[tuple[str, str, Handler]] = [
        ("GET", "/", alive),
        ("GET", "/v2/health/live", alive),
        ("GET", "/v2/health/ready", alive),
        ("GET", "/v1/models/{name}", known),
        ("GET", "/v2/models/{name}/ready", known),
        ("POST", "/v1/models/{name}:predict", transform),
        ("POST", "/v2/models/{name}/infer", transform),
    ]
    return Starlette(routes=[Route(path, handler, methods=[method]) for method, path, handler in table])


def main() -> None:
    """Serves until it is told to end; ends at once, with the reason, where there is no program to serve with."""
    parser = argparse.ArgumentParser(
        prog="mlstack_serve.transformer", description="Changes what a model is asked and says."
    )
    parser.add_argument("--model_name", default="model", help="name under which the model is asked for")
    parser.add_argument("--predictor_host", required=True, help="where the model is, host[:port]")
    parser.add_argument("--model_dir", type=Path, default=Path("/mnt/models"), help="directory with transformer.py")
    parser.add_argument("--http_port", type=int, default=8080)
    given, _ = parser.parse_known_args()  # KServe may add settings of its own SDK
    try:
        transformer = make_transformer(given.model_name, given.model_dir, asker(given.predictor_host))
    except BadModel as error:
        sys.exit(f"cannot transform: {error}")
    listen(make_app(transformer), given.http_port)


if __name__ == "__main__":
    main()
