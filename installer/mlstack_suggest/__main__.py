"""Starts the service: ``python -m mlstack_suggest``, on the port that Katib asks suggestion services at."""

from __future__ import annotations

import logging
import signal
import threading

import optuna

from mlstack_suggest.service import make_server

PORT = 6789


def main() -> None:
    """Serves until it is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    server, port = make_server(f"[::]:{PORT}")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server.start()
    logging.info("serving on port %d", port)
    ending.wait()
    server.stop(grace=5).wait()


if __name__ == "__main__":
    main()
