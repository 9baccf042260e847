"""Reads the API server's streams, watches and logs, line by line as they arrive. A broken stream ends without half a line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlstack.adapters.kube_http import Transport
from mlstack.adapters.kube_request import Request, refused
from mlstack.core.ports import WatchEvent

QUIET = 15.0
"""Seconds beyond a watch's own timeout after which a silent connection counts as dead."""


def read_watch(transport: Transport, request: Request, timeout: float) -> Iterator[WatchEvent]:
    """Events until the server ends the watch or the connection breaks. Raises MlstackError kube.too-old for a 410."""
    for line in _lines(transport, request, timeout + QUIET):
        try:
            event = json.loads(line)
        except ValueError:
            return
        kind, obj = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            raise refused(request, int(obj.get("code") or 500), line)
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            yield WatchEvent(kind, obj)


def read_lines(transport: Transport, request: Request, follow: bool) -> Iterator[str]:
    """Text lines; a followed log may be silent for an hour."""
    for line in _lines(transport, request, 3600.0 if follow else 30.0):
        yield line.decode("utf-8", "replace")


def _lines(transport: Transport, request: Request, silence: float) -> Iterator[bytes]:
    import urllib3

    response = transport.open(request, silence)
    rest = b""
    try:
        for chunk in response.stream(65536, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
        # AttributeError: urllib3's reader when the socket was shut from another thread.
        return
    finally:
        transport.done(response)
    if rest:
        yield rest
