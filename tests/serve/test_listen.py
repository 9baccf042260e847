"""Connections of the model server and of transformers."""

from __future__ import annotations

import http.client
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette

from mlstack_serve.listen import listen

HOUR = 3600


def test_the_gateway_and_not_the_server_closes_a_connection_without_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """With uvicorn's own 5 seconds one of 3000 predictions was lost: 503, the connection had just been closed."""
    seen: list[uvicorn.Server] = []

    def run(app: Starlette, **settings: object) -> None:
        server = uvicorn.Server(uvicorn.Config(app, **settings))  # type: ignore[arg-type]
        seen.append(server)
        threading.Thread(target=server.run, daemon=True).start()

    monkeypatch.setattr(uvicorn, "run", run)
    listen(Starlette(), 0)
    (server,) = seen
    while not server.started:
        time.sleep(0.01)
    connection = http.client.HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1], timeout=10)
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("GET", "/")
        sent = connection.sock
        connection.getresponse().read()
        assert connection.sock is sent, "the connection is kept"
    server.should_exit = True
    assert server.config.timeout_keep_alive > HOUR, "Envoy closes after an hour"
