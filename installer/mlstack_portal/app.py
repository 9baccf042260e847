"""Puts the application together: the gate that asks who is there, headers on every answer, addresses, errors as pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import resources

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlstack_portal import live, pages
from mlstack_portal.cluster import ClusterError
from mlstack_portal.pipelines import PipelinesError
from mlstack_portal.portal import Portal, portal_in, problem
from mlstack_portal.who import user_of

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""What a page may load: its own style, script and pictures; nothing inline, nothing from elsewhere."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PROBE, STATIC = "/healthz", "/static/"
"""What needs no user: the probes of the kubelet, and files that hold nothing of anybody."""
_REMEDIES = {
    401: "Open the platform's address in a browser to sign in; programs send a token.",
    403: "Go back, load the page again and send the form anew.",
    404: "Choose a page from the navigation.",
}


class Gate:
    """Lets in whom the gateway identified, answers 401 otherwise, and puts HEADERS on every answer."""

    def __init__(self, app: ASGIApp, portal: Portal) -> None:
        self._app = app
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; other kinds of connections are refused by what is below."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        free = scope["path"] == PROBE or scope["path"].startswith(STATIC)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        offer = self._portal.offer()
        user = user_of(Headers(scope=scope), offer.user_header, offer.groups_header)
        scope.setdefault("state", {})
        if user is None and not free:
            request = Request(scope)
            why = "The request carries no identity: it did not come through the gateway, or without a session."
            answer = problem(self._portal, request, 401, "Not signed in", why, _REMEDIES[401])
            await answer(scope, receive, sent)
            return
        if user is not None:
            scope["state"]["user"] = user
        await self._app(scope, receive, sent)


class KeptFiles(StaticFiles):
    """Static files that a browser keeps for a day; pages name them with their hash."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """As the base class, with Cache-Control."""
        answer: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer


def make_app(portal: Portal) -> Starlette:
    """The application. It holds no state but what it may forget: caches and the count of open streams."""
    app = Starlette(
        routes=_routes(),
        exception_handlers={HTTPException: _refused, ClusterError: _no_cluster, PipelinesError: _no_pipelines},
    )
    app.state.portal = portal
    app.state.streams = live.Streams()
    app.add_middleware(Gate, portal=portal)
    return app


def _routes() -> list[BaseRoute]:
    def get(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, handler, methods=["GET"])

    return [
        get("/", pages.home),
        get("/samples", pages.samples),
        get("/samples/{sample}", pages.sample),
        Route("/samples/{sample}", pages.start, methods=["POST"]),
        get("/runs", pages.runs),
        get("/runs/{namespace}/{name}", pages.run),
        get("/runs/{namespace}/{kind}/{name}", pages.run),
        get("/access", pages.access),
        get("/profile", pages.profile),
        get("/live/health", live.health),
        get("/live/runs/{namespace}/{name}", live.run),
        get("/live/runs/{namespace}/{kind}/{name}", live.run),
        get(PROBE, _healthy),
        Mount("/static", KeptFiles(directory=str(resources.files("mlstack_portal") / "static"))),
    ]


async def _healthy(request: Request) -> Response:
    """200 while pages can be made. Whether the cluster answers does not count: its troubles are what pages are for."""
    portal_in(request).offer()
    return PlainTextResponse("ok")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    remedy = _REMEDIES.get(error.status_code, "Go back and try again.")
    titles = {403: "Refused", 404: "Not found", 405: "Not possible", 413: "Too large"}
    title = titles.get(error.status_code, "That did not work")
    usual = error.detail == HTTPStatus(error.status_code).phrase
    why = f"The portal has nothing for {request.method} {request.url.path}." if usual else error.detail
    return problem(portal_in(request), request, error.status_code, title, why, remedy)


async def _no_cluster(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClusterError)  # noqa: S101  # registered for nothing else
    portal = portal_in(request)
    if error.status == 403:
        why, remedy = (
            f"The portal may not do that: {error.message}.",
            "Ask an administrator; `mlstack up` restores the portal's rights.",
        )
        return problem(portal, request, 403, "Refused by the cluster", why, remedy)
    if error.status in (400, 409, 422):
        return problem(
            portal,
            request,
            400,
            "Refused by the cluster",
            f"It says: {error.message}.",
            "Correct the input and try again.",
        )
    why, remedy = (
        f"It says: {error.message}.",
        "Load the page again in a moment. If it stays so: `mlstack status` and `mlstack doctor`.",
    )
    return problem(portal, request, 502, "The cluster does not answer", why, remedy)


async def _no_pipelines(request: Request, error: Exception) -> Response:
    assert isinstance(error, PipelinesError)  # noqa: S101  # registered for nothing else
    remedy = "Try again in a moment. If it stays so: `mlstack status` says which stack is not ready."
    return problem(portal_in(request), request, 502, "The pipelines do not answer", f"{error.message}.", remedy)
