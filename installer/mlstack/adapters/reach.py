"""Asks a published endpoint whether it answers, as a user's browser or client would."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

SECONDS = 10.0


def reach(url: str) -> str:
    """Empty when the endpoint answers, else what went wrong. http(s): any status below 500 is an answer; other schemes: a
    connection that the server does not close at once."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 0
    if parts.scheme in ("http", "https"):
        return _http(url)
    try:
        with socket.create_connection((host, port), timeout=SECONDS) as connection:
            connection.settimeout(1.0)
            try:
                if not connection.recv(1):
                    return f"{host}:{port} closed the connection at once"
            except TimeoutError:
                return ""  # it waits for the client to speak first
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"
    return ""


def _http(url: str) -> str:
    import httpx

    try:
        response = httpx.get(url, timeout=SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url}: {error}"
    return f"{url} answered {response.status_code}" if response.status_code >= 500 else ""
