"""Keeps the VirtualService in step with the models: what is there is read once, then followed by a watch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mlstack_inference.kube import SERVICES, Cluster
from mlstack_inference.model import Object
from mlstack_inference.routes import API, NAME, Site, differs, virtual_service
from mlstack_pod.kube import GONE, KubeError, items

WATCH_SECONDS = 300
PAUSE = 2.0
"""Seconds before the cluster is asked again after it did not answer."""
LOG = logging.getLogger("mlstack_inference")
_PATH = f"{SERVICES}/inferenceservices"


class Controller:
    """Follows the InferenceServices of all namespaces. ``synced`` is set once the route agrees with what was read."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self.synced = threading.Event()
        self._cluster, self._site = cluster, site
        self._services: dict[tuple[str, str], Object] = {}
        self._written: Object | None = None

    def run(self, ended: threading.Event, pause: Callable[[float], object] | None = None) -> None:
        """Until ``ended`` is set. pause: waits so many seconds, or until the end."""
        while not ended.is_set():
            try:
                self._follow(self.read())
            except KubeError as error:
                if error.status != GONE:
                    LOG.warning("the models are not followed: %s; next try in %s s", error, PAUSE)
                    (pause or ended.wait)(PAUSE)

    def read(self) -> str:
        """Reads all models and writes the route; gives the version to follow from. Raises KubeError."""
        found = self._cluster.get(_PATH)
        self._services = {_key(one): one for one in items(found)}
        self._written = self._cluster.get(self._path())
        self._write()
        self.synced.set()
        return str(((found or {}).get("metadata") or {}).get("resourceVersion") or "0")

    def _follow(self, version: str) -> None:
        """Goes on from a version until the cluster ends the watch; then from where it stood."""
        while True:
            before = version
            for kind, obj in self._cluster.watch(_PATH, version, WATCH_SECONDS):
                version = obj["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._take(kind, obj)
            if version == before:
                return  # nothing came, not even a bookmark: what is there is read anew

    def _take(self, kind: str, obj: Object) -> None:
        if kind == "DELETED":
            self._services.pop(_key(obj), None)
        else:
            self._services[_key(obj)] = obj
        self._write()

    def _write(self) -> None:
        wanted = virtual_service(self._services.values(), self._site)
        if differs(wanted, self._written):
            self._written = self._cluster.apply(self._path(), wanted)
            LOG.info("%d models are reached at the gateway", len(wanted["spec"]["http"]) - 1)

    def _path(self) -> str:
        return f"apis/{API}/namespaces/{self._site.namespace}/virtualservices/{NAME}"


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
