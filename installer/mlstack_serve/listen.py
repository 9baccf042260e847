"""How the model server and transformers take HTTP connections."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette

IDLE_SECONDS = 3900
"""How long a connection stays without a request: longer than gateways keep theirs (Envoy an hour), so that it is they who close it.

The side that answers must not: a request may be on its way just then, and would be lost.
"""
END_SECONDS = 10
"""How long requests that are under way may take when the server is told to end."""


def listen(app: Starlette, port: int) -> None:
    """Serves until it is told to end."""
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104  # a pod is reached by its own address
        port=port,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
    )
