"""Answers gateways: Envoy's discovery protocol over REST, held back until there is something new. No decisions: see ``ledger``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlstack_ingress.clusters import CLUSTER
from mlstack_ingress.ledger import AGAIN_SECONDS, CLUSTERS, LISTENERS, ROUTES, Answer, Ledger, Question
from mlstack_ingress.listeners import LISTENER
from mlstack_ingress.routes import ROUTES as ROUTE_TYPE

TYPES = {CLUSTERS: CLUSTER, LISTENERS: LISTENER, ROUTES: ROUTE_TYPE}
HOLD_SECONDS = 30.0
"""How long a question waits for news; the gateway asks again then."""
NOTHING_NEW = 304
log = logging.getLogger(__name__)


class Discovery:
    """Questions over one ledger. told: called when a gateway said something new of what it runs."""

    def __init__(self, ledger: Ledger, told: Callable[[], None], hold: float = HOLD_SECONDS) -> None:
        """hold: seconds."""
        self._ledger, self._told, self._hold = ledger, told, hold
        self._news = asyncio.Event()
        self._known: dict[str, tuple[str, str]] = {}

    def wake(self) -> None:
        """Something was published: whoever waits is answered."""
        self._news.set()
        self._news = asyncio.Event()

    async def answer(self, question: Question) -> Answer | None:
        """What is new to the gateway, or nothing after a while."""
        end = time.monotonic() + self._hold
        while True:
            answer = self._ledger.ask(question, time.monotonic())
            self._note(question)
            left = end - time.monotonic()
            if answer is not None or left <= 0:
                return answer
            pause = min(left, AGAIN_SECONDS) if question.node in self._ledger.refusals() else left
            news = self._news
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await news.wait()

    def _note(self, question: Question) -> None:
        whole, clusters = self._known.get(question.node, ("", ""))
        runs = self._ledger.runs(question.node)
        has = question.version if question.kind == CLUSTERS else clusters
        if (runs, has) == (whole, clusters):
            return
        self._known[question.node] = (runs, has)
        if has != clusters:
            self.wake()  # its routes can follow
        if runs != whole:
            self._told()


def make_app(discovery: Discovery) -> Starlette:
    """The application that gateways ask: ``POST /v3/discovery:<kind>``."""

    async def discover(request: Request) -> Response:
        kind = request.path_params["kind"]
        try:
            question = read_question(kind, json.loads(await request.body()))
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"error": "this is no question of a gateway"}, status_code=400)
        answer = await discovery.answer(question)
        if answer is None:
            return Response(status_code=NOTHING_NEW)
        log.info("%s gets %s %s", question.node, question.slot, answer.version)
        body = {"version_info": answer.version, "resources": answer.resources, "type_url": TYPES[kind]}
        return JSONResponse(body)

    return Starlette(routes=[Route("/v3/discovery:{kind}", discover, methods=["POST"])])


def read_question(kind: str, body: dict[str, Any]) -> Question:
    """A discovery request. Raises ValueError, KeyError where it is none."""
    if kind not in TYPES:
        raise ValueError(kind)
    node, version = str(body["node"]["id"]), str(body.get("version_info") or "")
    names = [str(name) for name in body.get("resource_names") or []]
    if not node or (kind == ROUTES) != (len(names) == 1):
        raise ValueError("no node, or no table")
    return Question(node=node, kind=kind, version=version, table=names[0] if kind == ROUTES else "")
