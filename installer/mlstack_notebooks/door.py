"""The platform at an address inside of a notebook's pod: requests go on to the gateway with the pod's own token.

Clients (``kfp.Client()``, curl) need neither address nor token nor authority; what they may do is what the profile's
``default-editor`` may. It listens to the pod itself only.
"""

from __future__ import annotations

import http.client
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlstack_pod.gateway import Gateway

HOPS = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers of one connection, which are not for the next one."""


def make_door(gateway: Gateway, port: int) -> ThreadingHTTPServer:
    """The server on the loopback address; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            self.close_connection = True  # one request a connection: an answer without a length ends with it
            try:
                _relay(self, gateway)
            except (OSError, http.client.HTTPException) as error:
                _refuse(self, f"the gateway at {gateway.service} cannot be asked: {error}")

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # the class gives the names

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the gateway writes a line for every request."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _relay(asked: BaseHTTPRequestHandler, gateway: Gateway) -> None:
    """Asks the gateway the same and hands its answer back. Raises OSError, http.client.HTTPException."""
    body = asked.rfile.read(int(asked.headers.get("content-length") or 0))
    connection = gateway.connect()
    try:
        connection.request(asked.command, asked.path, body or None, _headers(asked, gateway))
        answer = connection.getresponse()
        asked.send_response(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.lower() not in HOPS | {"content-length"}:
                asked.send_header(key, value)
        asked.send_header("connection", "close")
        asked.end_headers()
        while part := answer.read1(1 << 16):
            asked.wfile.write(part)
    finally:
        connection.close()


def _headers(asked: BaseHTTPRequestHandler, gateway: Gateway) -> dict[str, str]:
    dropped = HOPS | {"host", "authorization", "cookie"}
    kept = {key: value for key, value in asked.headers.items() if key.lower() not in dropped}
    return {**kept, **gateway.headers()}


def _refuse(asked: BaseHTTPRequestHandler, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    asked.send_response(http.client.BAD_GATEWAY)
    asked.send_header("content-type", "application/json")
    asked.send_header("content-length", str(len(body)))
    asked.end_headers()
    asked.wfile.write(body)
