"""Asks a published endpoint whether it answers, as a user's browser or client would."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from mlstack.adapters.gateway import UPSTREAM

SECONDS = 10.0


def reach(url: str, authority: str = "") -> str:
    """Empty when the endpoint answers, else what went wrong. http(s): any status below 500 is an answer; other schemes: a
    connection that the server does not close at once.

    authority: PEM of who signs the gateway's certificate, for addresses behind it: there 404 of the gateway itself means that
    no route leads on.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 0
    if parts.scheme in ("http", "https"):
        return _http(url, authority)
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


def _http(url: str, authority: str) -> str:
    import httpx

    asked = httpx.URL(url)
    headers, extensions = {"Host": asked.netloc.decode()}, {"sni_hostname": asked.host}
    if asked.host.endswith(
        ".localhost"
    ):  # browsers go to the loopback address (RFC 6761, 6.3), resolvers do so here and there
        asked = asked.copy_with(host="127.0.0.1")
    trusted = ssl.create_default_context()
    if authority:
        trusted.load_verify_locations(cadata=authority)
    try:
        with httpx.Client(verify=trusted, timeout=SECONDS, trust_env=False) as client:
            answer = client.get(asked, headers=headers, extensions=extensions)
    except httpx.HTTPError as error:
        return f"{url}: {error}"
    if authority and answer.status_code == httpx.codes.NOT_FOUND and UPSTREAM not in answer.headers:
        return f"{url} answered 404: no route leads on from the gateway"
    return f"{url} answered {answer.status_code}" if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else ""
