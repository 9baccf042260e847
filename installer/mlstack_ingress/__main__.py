"""Starts the controller: ``python -m mlstack_ingress``, set up by the variables that the stack's Deployment gives."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from mlstack_ingress.controller import Controller, Settings
from mlstack_ingress.kube import Api
from mlstack_ingress.serving import make_server, renew, serve_health
from mlstack_ingress.status import Addresses
from mlstack_ingress.xds import make_app

ANY = "0.0.0.0"  # noqa: S104  # a pod is reached by its own address; who may, the NetworkPolicy says
log = logging.getLogger(__name__)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises KeyError when the set-up is not complete."""
    return Settings(
        ingress_class=environ["INGRESS_CLASS"],
        namespace=environ["POD_NAMESPACE"],
        selector=environ["GATEWAY_SELECTOR"],
        access_file=Path(environ["ACCESS_FILE"]),
        addresses=Addresses(public=environ["PUBLIC_SERVICE"], private=environ["PRIVATE_SERVICE"]),
    )


async def serve(environ: Mapping[str, str]) -> None:
    """Until it is told to end. Gateways are answered once everything was listed; before, they keep what they have."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    api = Api(f"https://{f'[{host}]' if ':' in host else host}:{port}")
    certificates = Path(environ["CERTIFICATES"])
    controller = Controller(api, read_settings(environ))
    server = make_server(make_app(controller.discovery), ANY, int(environ.get("XDS_PORT", "18000")), certificates)
    health_port = int(environ.get("HEALTH_PORT", "18001"))
    health = await serve_health(ANY, health_port, controller.published.is_set, lambda: controller.turned)
    loops = [asyncio.create_task(controller.run()), asyncio.create_task(renew(server, certificates))]
    answers = asyncio.create_task(server.serve())
    done, _ = await asyncio.wait([answers, *loops], return_when=asyncio.FIRST_COMPLETED)
    for task in loops:
        task.cancel()
    health.close()
    await api.close()
    for task in done:
        task.result()  # a loop that ended by a fault ends the program with it


def main() -> None:
    """Runs until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(serve(os.environ))


if __name__ == "__main__":
    main()
