"""A deterministic gzip stream written by several threads: fixed blocks, fixed level, no time and no name in the header."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

BLOCK = 1 << 20
"""Uncompressed bytes a block; part of the format: the bytes do not depend on the number of threads."""
LEVEL = 1
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"


class GzipWriter:
    """Compresses what is written and hands it to ``sink``; at most a few blocks are in memory. Close it to end the stream."""

    def __init__(self, sink: Callable[[bytes], object], threads: int = 2) -> None:
        self._sink = sink
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="deflate")
        self._pending: deque[Future[bytes]] = deque()
        self._depth = threads + 1
        self._buffer = bytearray()
        self._crc = 0
        self._size = 0
        sink(_HEADER)

    def write(self, data: bytes) -> None:
        """Adds uncompressed bytes."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) >= BLOCK:
            self._submit(bytes(self._buffer[:BLOCK]))
            del self._buffer[:BLOCK]

    def close(self) -> None:
        """Writes what is left and the trailer."""
        try:
            if self._buffer:
                self._submit(bytes(self._buffer))
            while self._pending:
                self._sink(self._pending.popleft().result())
            self._sink(b"\x03\x00" + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        finally:
            self.abort()

    def abort(self) -> None:
        """Ends the threads without ending the stream."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, block: bytes) -> None:
        self._pending.append(self._pool.submit(_compress, block))
        while len(self._pending) > self._depth:
            self._sink(self._pending.popleft().result())


def _compress(block: bytes) -> bytes:
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
