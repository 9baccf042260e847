"""The namespaces that are served now, each on its port; follows the list that the platform writes."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from mlstack_lineage.server import Tenant
from mlstack_lineage.store import Store
from mlstack_pod.kube import KubeError

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_log = logging.getLogger(__name__)


def parse(text: str) -> dict[str, int]:
    """namespace -> port, out of the list's JSON text. Raises ValueError, naming what is wrong."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("the list of namespaces is no mapping")
    for namespace, port in found.items():
        if not NAMESPACE.fullmatch(namespace):
            raise ValueError(f"'{namespace}' is no namespace")  # it becomes a directory
        if not isinstance(port, int) or isinstance(port, bool) or not 1024 <= port <= 65535:
            raise ValueError(f"{namespace}: '{port}' is no port from 1024 to 65535")
    if len(set(found.values())) != len(found):
        raise ValueError("two namespaces have the same port")
    return found


class Tenants:
    """Opens and closes what the list names. host: the address to listen on."""

    def __init__(self, directory: Path, host: str = "[::]") -> None:
        self._directory, self._host = directory, host
        self._open: dict[str, tuple[int, Tenant]] = {}
        self._lock = threading.Lock()
        self.ready = False

    def store(self, namespace: str) -> Store | None:
        """The metadata of a namespace that is served."""
        with self._lock:
            found = self._open.get(namespace)
        return found[1].store if found else None

    def follow(self, wanted: Mapping[str, int]) -> None:
        """Makes what is served be what is wanted; data of a namespace that goes stays on the disk."""
        with self._lock:
            for namespace, (port, tenant) in list(self._open.items()):
                if wanted.get(namespace) != port:
                    del self._open[namespace]
                    tenant.close()
                    _log.info("namespace %s is served no more", namespace)
            for namespace, port in wanted.items():
                if namespace not in self._open:
                    tenant = Tenant(namespace, f"{self._host}:{port}", self._directory)
                    self._open[namespace] = port, tenant
                    _log.info("namespace %s is served on port %d", namespace, tenant.port)
            self.ready = True

    def close(self) -> None:
        """Ends them all."""
        with self._lock:
            self.ready = False
            for _, tenant in self._open.values():
                tenant.close()
            self._open.clear()


def keep_following(tenants: Tenants, read: Callable[[], str], ended: threading.Event, seconds: float) -> None:
    """Reads the list again and again until told to end; a list that cannot be had or read changes nothing and is logged once."""
    last, fault = "", ""
    while not ended.is_set():
        try:
            text = read()
            if text != last:
                tenants.follow(parse(text))
                last = text
            fault = ""
        except (KubeError, ValueError, RuntimeError) as error:
            if str(error) != fault:
                fault = str(error)
                _log.warning("the list of namespaces cannot be followed: %s", fault)
        ended.wait(seconds)
