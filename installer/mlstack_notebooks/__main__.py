"""The program behind ``/my-notebooks/``: routes to the notebooks that answer, a page that wakes those that sleep."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from mlstack_notebooks.follow import Follower
from mlstack_notebooks.kube import Kube
from mlstack_notebooks.site import read_site
from mlstack_notebooks.web import make_server

PORT = 8080


def main() -> None:
    """Until it is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    kube, site = Kube(), read_site(Path(os.environ["SETTINGS_FILE"]).read_text())
    follower = Follower(kube, site, Path(os.environ["AUTHORITY_FILE"]))
    server = make_server(kube, site, ("", PORT), follower.synced.is_set)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    follow = threading.Thread(target=follower.run, args=(ended,), daemon=True)
    follow.start()
    while follow.is_alive() and not ended.wait(1):
        pass
    server.shutdown()
    if not ended.is_set():
        sys.exit("the notebooks are no longer followed: the program's own log says why")


if __name__ == "__main__":
    main()
