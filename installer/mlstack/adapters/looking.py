"""Looks again at what a run saw, as fast as can be: versions from the API server, the node containers from the engine.

Plain HTTP of the standard library: the pooled client and the engine's SDK take longer to import than all of this takes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from mlstack.adapters.kubeconfig import Access, load
from mlstack.core.looks import ABSENT, Look, digest_of

CONNECTIONS = 3
"""More would not be faster: the server needs its own cores for the answers."""
PATIENCE = 5.0
"""Seconds of silence after which the usual way is taken, which can wait and explain."""
ACCEPT = {
    "list": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "object": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
}
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
LISTING = ("ctr", "-n", "k8s.io", "images", "ls")
FAULTS = (OSError, ValueError, http.client.HTTPException)
"""What looking may raise: something does not answer, or not as it should."""


def same_cluster(kubeconfig: Path, context: str, looks: Sequence[Look]) -> bool:
    """Whether every read gives what it gave before. Raises FAULTS and MlstackError kube.config."""
    access = load(kubeconfig, context)
    if access.proxy or access.server_name:
        return False
    todo = iter(sorted(looks, key=lambda look: look.form))
    lock, bad, faults = threading.Lock(), list[Look](), list[Exception]()

    def work() -> None:
        try:
            bad.extend(_others(access, todo, lock, bad))
        except FAULTS as error:
            faults.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(CONNECTIONS, len(looks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return not bad


def _others(access: Access, todo: Iterator[Look], lock: threading.Lock, bad: Sequence[Look]) -> list[Look]:
    """The first read of those this worker takes that gives something else."""
    link = _connection(access)
    try:
        while not bad:
            with lock:
                look = next(todo, None)
            if look is None:
                break
            if _read(link, access, look) != look.digest:
                return [look]
        return []
    finally:
        link.close()


def _connection(access: Access) -> http.client.HTTPConnection:
    if access.context is None:
        return http.client.HTTPConnection(access.host, access.port, timeout=PATIENCE)
    return http.client.HTTPSConnection(access.host, access.port, timeout=PATIENCE, context=access.context)


def _read(link: http.client.HTTPConnection, access: Access, look: Look) -> str:
    query = "?" + urlencode({"labelSelector": look.selector}) if look.selector else ""
    headers = {"Accept": ACCEPT.get(look.form, "application/json"), "User-Agent": "mlstack", **access.headers(False)}
    link.request("GET", access.prefix + look.path + query, headers=headers)
    response = link.getresponse()
    body = response.read()
    if response.status == http.client.NOT_FOUND:
        return ABSENT
    return digest_of(json.loads(body)) if response.status == http.client.OK else ""


class _Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def engine_digest(path: str, cluster: str) -> str:
    """A digest of a kind cluster's containers, their states and the images inside of them. path: of the engine's socket.

    Raises FAULTS.
    """
    filters = quote(json.dumps({"label": [f"{CLUSTER_LABEL}={cluster}"]}))
    found = json.loads(_ask(path, "GET", f"/containers/json?all=1&filters={filters}"))
    nodes = sorted((str(one["Id"]), str(one["State"])) for one in found)
    listings = [_images(path, node) for node, state in nodes if state == "running"]
    return hashlib.sha256(json.dumps([nodes, listings]).encode()).hexdigest()


def _images(path: str, node: str) -> str:
    """Name and digest of each image that the node's runtime holds."""
    wanted = {"Cmd": list(LISTING), "AttachStdout": True, "Tty": True}
    started = json.loads(_ask(path, "POST", f"/containers/{node}/exec", wanted))["Id"]
    text = _ask(path, "POST", f"/exec/{started}/start", {"Detach": False, "Tty": True}).decode(errors="replace")
    columns = sorted(" ".join(line.split()[:3:2]) for line in text.splitlines())
    return hashlib.sha256("\n".join(columns).encode()).hexdigest()


def _ask(path: str, method: str, url: str, body: object = None) -> bytes:
    link = _Unix(path)
    try:
        text = None if body is None else json.dumps(body)
        link.request(method, url, text, {"Content-Type": "application/json"} if text else {})
        response = link.getresponse()
        answer = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise ValueError(f"{method} {url}: {response.status}")
        return answer
    finally:
        link.close()
