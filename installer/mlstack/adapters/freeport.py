"""Finds free TCP ports on this host's loopback."""

from __future__ import annotations

import socket

TRIES = 64


def free_port(taken: frozenset[int]) -> int:
    """A port that nobody listens on now and that is not in ``taken``, from the range the kernel gives out."""
    for _ in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
    raise OSError("the kernel gave out no free port")
