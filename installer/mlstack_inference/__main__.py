"""The program beside the gateway: routes to models, and answers for those that cannot be asked. Settings are variables."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping

from mlstack_inference.controller import Controller
from mlstack_inference.kube import Kube
from mlstack_inference.routes import Site
from mlstack_inference.web import make_server

PORT = 8080


def site_of(environ: Mapping[str, str]) -> Site:
    """The settings. Raises KeyError with the name of a variable that is missing."""
    return Site(environ["NAMESPACE"], environ["GATEWAY"], environ.get("SERVERLESS", ""), environ.get("DOMAIN", ""))


def main() -> None:
    """Until it is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    kube = Kube()
    controller = Controller(kube, site_of(os.environ))
    server = make_server(kube, ("", PORT), controller.synced.is_set)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    follow = threading.Thread(target=controller.run, args=(ended,), daemon=True)
    follow.start()
    while follow.is_alive() and not ended.wait(1):
        pass
    server.shutdown()
    if not ended.is_set():
        sys.exit("the models are no longer followed: the program's own log says why")


if __name__ == "__main__":
    main()
