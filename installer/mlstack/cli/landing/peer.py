"""Whose program is at the other end of a loopback connection, as the kernel tells. Linux only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LOCAL, REMOTE, UID = 1, 2, 7
"""Columns of the tables."""
NOBODY = -1


def owner_of(client_port: int, server_port: int) -> int | None:
    """User id of the program that connects; ``NOBODY`` when there is no such connection, None where the kernel does not tell."""
    known = False
    for table in TABLES:
        try:
            text = table.read_text(encoding="ascii")
        except OSError:
            continue
        known = True
        for columns in _rows(text):
            if _port(columns[LOCAL]) == client_port and _port(columns[REMOTE]) == server_port:
                return int(columns[UID])
    return NOBODY if known else None


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) > UID:
            yield columns


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
