"""Starts it: ``python -m mlstack_lineage``. LINEAGE_DIRECTORY, LINEAGE_LIST (a ConfigMap), LINEAGE_USER_HEADER and
LINEAGE_GROUPS_HEADER say where data is, who is served, and which headers tell who asks."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import uvicorn

from mlstack_lineage.cluster import Cluster
from mlstack_lineage.tenants import Tenants, keep_following
from mlstack_lineage.web import Door, application

PORT = 8080
SECONDS = 2.0
"""How often the list of namespaces is read."""


def main() -> None:
    """Serves until it is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    environment = dict(os.environ)
    cluster = Cluster.of_pod()
    tenants, ended = Tenants(Path(environment["LINEAGE_DIRECTORY"])), threading.Event()
    name = environment["LINEAGE_LIST"]
    follower = threading.Thread(
        target=keep_following, args=(tenants, lambda: cluster.listed(name), ended, SECONDS), daemon=True
    )
    follower.start()
    user, groups = environment.get("LINEAGE_USER_HEADER", ""), environment.get("LINEAGE_GROUPS_HEADER", "")
    door = Door(cluster.may_see, user, groups)
    for number in (signal.SIGTERM, signal.SIGINT):
        # the web server hands a signal on when it has ended, which would be the process's end before the rest has one
        signal.signal(number, lambda *_: ended.set())
    try:
        uvicorn.run(
            application(tenants, door),
            host="0.0.0.0",  # noqa: S104  # a pod is reached by its own address; who may, the NetworkPolicy says
            port=PORT,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    finally:
        ended.set()
        follower.join()
        tenants.close()


if __name__ == "__main__":
    main()
