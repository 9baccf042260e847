"""Starts the portal: ``python -m mlstack_portal``, set up by the variables that the stack's Deployment gives."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn

from mlstack_portal.app import make_app
from mlstack_portal.health import HealthReader
from mlstack_portal.kube import KubeApi
from mlstack_portal.offer import OfferFile
from mlstack_portal.pipelines import PipelinesApi
from mlstack_portal.portal import Portal
from mlstack_portal.who import Forms


def main() -> None:
    """Serves until it is told to end. Raises KeyError, OSError when the set-up is not complete."""
    environ = os.environ
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    cluster = KubeApi(f"https://{f'[{host}]' if ':' in host else host}:{port}")
    key = Path(environ["PORTAL_KEY_FILE"]).read_bytes().strip()
    offer = OfferFile(Path(environ["PORTAL_OFFER_FILE"]))
    portal = Portal(cluster, offer, Forms(key), HealthReader(cluster), PipelinesApi())
    uvicorn.run(
        make_app(portal),
        host="0.0.0.0",  # noqa: S104  # a pod is reached by its own address; who may, the NetworkPolicy says
        port=int(environ.get("PORTAL_PORT", "8080")),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
