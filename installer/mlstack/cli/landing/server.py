"""The landing page's server: routes over the board. Imported in the thread it runs in, for its libraries take their time."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mlstack.cli.landing.audience import Audience
from mlstack.cli.landing.board import Board
from mlstack.cli.landing.guard import CODE_HEADER, KEY_HEADER, Guard, Keys
from mlstack.cli.landing.logs import Logs
from mlstack.cli.landing.view import TOOLS, make_view, safe
from mlstack.core.errors import MlstackError

ASSETS = Path(__file__).parent / "assets"
TYPES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
PAUSE = 0.1
"""Least seconds between two states sent to a client: what happens within is sent together."""
TICK = 1.0
"""Seconds after which the state is sent again while it works, for the clocks on the page."""
QUIET = 10.0
"""The same while nothing happens: it shows that the connection is alive."""
FILES_EVERY = 2.0
ARRIVES = 1.0
"""Seconds from the page to its stream, at most."""
LOCKED = "Open the address that mlstack shows in its terminal: it carries the key for logs and Resume."


@dataclass
class Parts:
    """What the server shares with the command. command: what to type for a command; resume: called after a click that counts."""

    board: Board
    audience: Audience
    keys: Keys
    logs: Logs
    command: Callable[[str], str]
    resume: Callable[[], None]


class Site:
    """The routes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._files: dict[str, list[str]] = {}
        self._changed = asyncio.Event()
        loader = FileSystemLoader(ASSETS)
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self._page),
            Route("/events", self._events),
            Route("/log", self._log),
            Route("/pair", self._pair, methods=["POST"]),
            Route("/resume", self._resume, methods=["POST"]),
            Route("/{name}", self._asset),
        ]
        return Starlette(routes=routes, middleware=[Middleware(Guard)])

    def changed(self) -> None:
        """Wakes every stream. In the server's loop only."""
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    async def watch_files(self) -> None:
        """Keeps the list of log files, which needs the disk, so that a state never waits for it."""
        while True:
            _, (begun, groups) = self._parts.board.read(lambda scene: (scene.run.started, set(scene.run.groups)))
            if groups & set(TOOLS):
                self._files = await asyncio.to_thread(self._parts.logs.files, begun)
            await asyncio.sleep(FILES_EVERY)

    def _view(self) -> tuple[int, dict[str, Any]]:
        version, view = self._parts.board.read(
            lambda scene: make_view(scene, time.time(), self._parts.command, self._files)
        )
        return version, safe(view)

    async def _page(self, request: Request) -> Response:
        if request.method == "GET":
            self._parts.audience.expect(ARRIVES)
        return HTMLResponse(self._templates.get_template("page.html.j2").render(self._view()[1]))

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        return (
            FileResponse(ASSETS / name, media_type=TYPES[name]) if name in TYPES else _no("there is no such page", 404)
        )

    async def _events(self, _request: Request) -> Response:
        stream = self._parts.audience.join()
        if stream is None:
            return _no("too many pages are open", 503)
        return StreamingResponse(self._states(stream), media_type="text/event-stream")

    async def _states(self, stream: int) -> AsyncIterator[str]:
        """The whole state at once and after every change; each makes the ones before it needless."""
        audience, board = self._parts.audience, self._parts.board
        template = self._templates.get_template("state.html.j2")
        try:
            yield "retry: 1000\n\n"
            while True:
                changed = self._changed
                version, view = self._view()
                state = {"html": template.render(view)}
                state |= {name: view[name] for name in ("title", "announce", "portal", "ended")}
                yield f"id: {version}\nevent: state\ndata: {json.dumps(state)}\n\n"
                audience.saw(stream, version)
                if view["ended"]:
                    return
                await asyncio.sleep(PAUSE)
                if board.version == version:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), TICK if view["stage"] == "running" else QUIET)
        finally:
            audience.leave(stream)

    async def _pair(self, request: Request) -> Response:
        ports = (request.client.port if request.client else 0, int(request.scope["server"][1]))
        key = self._parts.keys.redeem(request.headers.get(CODE_HEADER, ""), *ports)
        return JSONResponse({"key": key}) if key else _no(LOCKED, 403)

    async def _resume(self, request: Request) -> Response:
        if not self._may(request):
            return _no(LOCKED, 403)
        if not self._parts.board.take():
            return _no("There is nothing to resume now.", 409)
        self._parts.resume()
        return JSONResponse({"ok": True}, status_code=202)

    async def _log(self, request: Request) -> Response:
        if not self._may(request):
            return _no(LOCKED, 403)
        source = request.query_params.get("of", "")
        try:
            return JSONResponse({"lines": await asyncio.to_thread(self._parts.logs.tail, source)})
        except LookupError:
            return _no("There is no such log.", 404)
        except MlstackError as error:
            return _no("; ".join(part for part in (error.what, error.remedy) if part), 409)

    def _may(self, request: Request) -> bool:
        return self._parts.keys.fits(request.headers.get(KEY_HEADER, ""))


def _no(reason: str, status: int) -> Response:
    return PlainTextResponse(reason, status_code=status)


def serve(
    listening: socket.socket, parts: Parts, stop: threading.Event, stopper: Callable[[Callable[[], None]], None]
) -> None:
    """Serves until stopped. stopper: gets what ends the server, once it can be ended; stop: set when it need not begin."""
    asyncio.run(_serve(listening, parts, stop, stopper))


async def _serve(
    listening: socket.socket, parts: Parts, stop: threading.Event, stopper: Callable[[Callable[[], None]], None]
) -> None:
    loop, site = asyncio.get_running_loop(), Site(parts)
    config = uvicorn.Config(
        site.app(),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what a client does wrong is not for the terminal
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    def ring() -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody follows any more
            loop.call_soon_threadsafe(site.changed)

    def end() -> None:
        server.should_exit = True

    parts.board.listen(ring)
    stopper(end)
    if stop.is_set():
        return
    files = asyncio.create_task(site.watch_files())
    try:
        await server.serve(sockets=[listening])
    finally:
        files.cancel()
