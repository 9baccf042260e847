"""The server's outside: TLS whose certificate is renewed in place, and an address where the kubelet asks for health."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

RELOAD_SECONDS = 60.0
"""How often it is looked whether the certificate's file is another one."""
STALE_SECONDS = 90.0
"""A loop that has not turned for so long hangs."""


def make_server(app: Starlette, host: str, port: int, certificates: Path | None) -> uvicorn.Server:
    """certificates: directory with ``tls.crt`` and ``tls.key``; none: plain HTTP (tests)."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,  # held questions are asked again, of whoever is there then
        ssl_certfile=str(certificates / "tls.crt") if certificates else None,
        ssl_keyfile=str(certificates / "tls.key") if certificates else None,
    )
    config.load()
    return uvicorn.Server(config)


async def renew(server: uvicorn.Server, certificates: Path, every: float = RELOAD_SECONDS) -> None:
    """Takes a renewed certificate for new connections. Until cancelled."""
    context, known = server.config.ssl, _content(certificates)
    while isinstance(context, ssl.SSLContext):
        await asyncio.sleep(every)
        found = _content(certificates)
        if found != known:
            context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
            known = found


def _content(certificates: Path) -> tuple[bytes, bytes]:
    return (certificates / "tls.crt").read_bytes(), (certificates / "tls.key").read_bytes()


async def serve_health(host: str, port: int, ready: Callable[[], bool], turned: Callable[[], float]) -> asyncio.Server:
    """``/readyz``: something is published; anything else: the loop turns. turned: when it last did (monotonic seconds)."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                line = await reader.readline()
            good = ready() if b" /readyz" in line else time.monotonic() - turned() < STALE_SECONDS
            status = "200 OK" if good else "503 Service Unavailable"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (TimeoutError, ConnectionError):
            return
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)
