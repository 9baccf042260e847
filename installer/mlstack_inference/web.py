"""Answers requests for models that cannot be asked: 404 or 503, with what the model waits for and what to do.

Who asks below ``/serving/NAMESPACE/`` is one of its members: the gateway has seen to that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlstack_inference.explain import explain, unknown
from mlstack_inference.kube import SERVICES, Cluster
from mlstack_inference.model import PODS, Object
from mlstack_inference.routes import PREFIX, asked_for
from mlstack_pod.kube import KubeError, items

BODY = 16 << 20
"""Bytes of a request that are read, and thrown away, before it is answered."""
AT_ONCE = 4
"""Requests that may ask the cluster at the same time."""
Answer = tuple[HTTPStatus, dict[str, Any]]


def state_of(cluster: Cluster, namespace: str, service: Object) -> tuple[list[Object], list[Object]]:
    """A model's pods, and the events of its namespace. Raises KubeError."""
    name = service["metadata"]["name"]
    pods = items(cluster.get(f"api/v1/namespaces/{namespace}/pods?labelSelector={PODS}%3D{name}"))
    return pods, items(cluster.get(f"api/v1/namespaces/{namespace}/events"))


def answer(cluster: Cluster, path: str) -> Answer:
    """What is said about a path below ``/serving/``."""
    namespace, name = asked_for(path)
    if not namespace or not name:
        return HTTPStatus.NOT_FOUND, {"error": f"a model is at {PREFIX}NAMESPACE/NAME/"}
    try:
        found = {
            one["metadata"]["name"]: one
            for one in items(cluster.get(f"{SERVICES}/namespaces/{namespace}/inferenceservices"))
        }
        if name not in found:
            return HTTPStatus.NOT_FOUND, unknown(namespace, name, list(found)).answer()
        reason = explain(found[name], *state_of(cluster, namespace, found[name]))
    except KubeError as error:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": f"the cluster does not say why: {error}"}
    return HTTPStatus.SERVICE_UNAVAILABLE, reason.answer()


def make_server(cluster: Cluster, address: tuple[str, int], ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """The server; ready: whether the routes agree with the models."""
    free = threading.BoundedSemaphore(AT_ONCE)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _reply(self) -> None:
            self._drain()
            if self.path == "/alive":
                self._say(HTTPStatus.OK, {})
            elif self.path == "/ready":
                self._say(HTTPStatus.OK if ready() else HTTPStatus.SERVICE_UNAVAILABLE, {})
            elif free.acquire(timeout=5):
                try:
                    self._say(*answer(cluster, self.path))
                finally:
                    free.release()
            else:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "too many ask at once"})

        def _drain(self) -> None:
            """Reads the body: a connection that is closed before that loses the answer."""
            left = min(int(self.headers.get("content-length") or 0), BODY)
            while left > 0 and (part := self.rfile.read(min(left, 1 << 16))):
                left -= len(part)

        def _say(self, status: HTTPStatus, body: dict[str, Any]) -> None:
            text = json.dumps(body, indent=2).encode() + b"\n"
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.send_header("cache-control", "no-store")
            self.send_header("connection", "close")  # a body of unknown length may still be on its way
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _reply  # the class gives the names

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the gateway writes a line for every request."""

    return ThreadingHTTPServer(address, Handler)
