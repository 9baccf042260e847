"""Who may ask the landing page for what. Everyone on this machine may see how far the run is: events hold no secret. To start it
again or to read logs takes the key, which reaches the page in the fragment of its address and comes back in a header."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlstack.cli.landing.peer import owner_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
KEY_HEADER = "x-mlstack-key"
CODE_HEADER = "x-mlstack-code"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass
class Keys:
    """The key of one landing page, and codes worth the key once, for where an address can be seen by others."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _codes: set[str] = field(default_factory=set, repr=False)

    def code(self) -> str:
        """A new code."""
        code = secrets.token_urlsafe(24)
        self._codes.add(code)
        return code

    def redeem(self, code: str, client_port: int, server_port: int) -> str:
        """The key for a code; empty when it is used, unknown, or shown by another user's program.

        A browser is started with the address as an argument, which every user of the machine can list. That is why the
        address holds a code and not the key, and why the kernel is asked whose connection it comes by.
        """
        owner = owner_of(client_port, server_port)
        if code not in self._codes or owner not in (None, os.getuid()):
            return ""
        self._codes.discard(code)
        return self.key

    def fits(self, key: str) -> bool:
        """Whether this is the key; takes as long for every wrong one."""
        return hmac.compare_digest(key.encode(), self.key.encode())


def refusal(method: str, headers: Mapping[str, str]) -> str:
    """Why a request is refused, empty when it is not: a name that is not this machine's own, or another site's doing."""
    host, origin = headers.get("host", ""), headers.get("origin", "")
    if _name_of(host) not in HOSTS:
        return "this page answers to 127.0.0.1 and localhost only"
    if origin and origin != f"http://{host}":
        return "another site may not ask this"
    if not origin and method not in ("GET", "HEAD"):
        return "the request does not say where it comes from"
    # A link on another site may lead to the page; that site's scripts, frames and images get nothing.
    link = method == "GET" and headers.get("sec-fetch-dest") == "document"
    own = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return "" if own or link else "another site may not ask this"


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class Guard:
    """Middleware: refuses what ``refusal`` says, and gives every answer the protecting headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = refusal(scope["method"], Headers(scope=scope))
        answer = PlainTextResponse(f"{reason}\n", status_code=403) if reason else self._app
        await answer(scope, receive, protected)
