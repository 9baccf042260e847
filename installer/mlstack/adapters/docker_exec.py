"""The conversation with a program started by ``exec``: input streamed in while output is read, within a time limit."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_CHUNK = 1 << 20
_STDOUT, _STDERR = 1, 2
_HEADER = 8


def converse(api: Any, exec_id: str, stdin: Path | bytes | None, timeout: float) -> tuple[bytes, bytes]:
    """Starts an exec and returns all of its stdout and stderr. Raises TimeoutError; docker errors pass through.

    The SDK's own reader has no time limit and gives no way to write, hence the raw stream: the buffered reader
    below the HTTP response holds what came right behind the headers, so it must be read, not the bare socket.
    """
    deadline = time.monotonic() + timeout
    response = api._post_json(
        api._url("/exec/{0}/start", exec_id),
        headers={"Connection": "Upgrade", "Upgrade": "tcp"},
        data={"Tty": False, "Detach": False},
        stream=True,
        timeout=timeout,
    )
    try:
        api._raise_for_status(response)
        reader = response.raw._fp.fp
        link: socket.socket = reader.raw._sock
        if stdin is not None:
            threading.Thread(target=_feed, args=(link, stdin), daemon=True).start()
        parts: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
        for stream, data in _frames(reader, link, deadline):
            parts.setdefault(stream, []).append(data)
        return b"".join(parts[_STDOUT]), b"".join(parts[_STDERR])
    finally:
        response.close()


def _feed(link: socket.socket, stdin: Path | bytes) -> None:
    try:
        if isinstance(stdin, bytes):
            link.sendall(stdin)
        else:
            with stdin.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    link.sendall(chunk)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        # The program ended before it read everything; its exit code and stderr tell why.
        return


def _frames(reader: BinaryIO, link: socket.socket, deadline: float) -> Iterator[tuple[int, bytes]]:
    """The multiplexed stream: a header of stream number and length before each piece."""
    while header := _read(reader, link, _HEADER, deadline):
        stream, length = struct.unpack(">BxxxL", header)
        yield stream, _read(reader, link, length, deadline)


def _read(reader: BinaryIO, link: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly ``size`` bytes, or nothing at the end of the stream."""
    pieces = []
    while size:
        link.settimeout(max(0.01, deadline - time.monotonic()))
        piece = reader.read1(size)  # type: ignore[attr-defined]
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
