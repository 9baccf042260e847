"""Starts a service, on the port at which Katib asks it: ``python -m mlstack_suggest [suggestion | medianstop]``."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import grpc

PORTS = {"suggestion": 6789, "medianstop": 6788}


def server_of(name: str) -> tuple[grpc.Server, int]:
    """The server of that name and its port."""
    address = f"[::]:{PORTS[name]}"
    if name == "medianstop":
        from mlstack_suggest.stopservice import make_stop_server
        from mlstack_suggest.trials import mark_stopped

        return make_stop_server(address, mark_stopped)
    import optuna

    from mlstack_suggest.service import make_server

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return make_server(address)


def main(arguments: list[str]) -> None:
    """Serves until it is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    server, port = server_of(arguments[0] if arguments else "suggestion")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server.start()
    logging.info("serving on port %d", port)
    ending.wait()
    server.stop(grace=5).wait()


if __name__ == "__main__":
    main(sys.argv[1:])
