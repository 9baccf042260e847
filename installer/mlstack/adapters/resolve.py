"""Asks this host's resolver for names."""

from __future__ import annotations

import socket


def addresses(name: str) -> tuple[str, ...]:
    """The addresses that a program on this host gets for a name, none when it does not resolve."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(sorted({str(one[4][0]) for one in found}))
