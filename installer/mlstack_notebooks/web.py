"""Leads to notebooks: wakes the one whose address somebody opens, and says what it waits for.

Who asks below ``/notebooks/NAMESPACE/`` may open it: the gateway has seen to that. Only opening a page wakes a notebook; what a
tab that was left open asks in the background does not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlstack_notebooks.kube import STATEFUL, Cluster
from mlstack_notebooks.pages import home, state, waiting, why
from mlstack_notebooks.site import HOME, PREFIX, Site, groups_of, namespace_of
from mlstack_pod.kube import KubeError, items

LOG = logging.getLogger("mlstack_notebooks")
HTML, JSON = "text/html; charset=utf-8", "application/json"
Answer = tuple[HTTPStatus, str, str]
"""Status, content type, text."""


def opens(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request is of somebody who opens a page."""
    mode = headers.get("sec-fetch-mode") or "navigate"
    return method == "GET" and mode == "navigate" and "text/html" in (headers.get("accept") or "")


def answer(cluster: Cluster, site: Site, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """What is said about a path below ``/notebooks/`` or ``/my-notebooks/``."""
    if path.partition("?")[0] in (HOME, PREFIX):
        return _home(cluster, site, headers)
    name = namespace_of(path)
    if name not in site.notebooks:
        return _error(HTTPStatus.NOT_FOUND, f"there is no notebook at {PREFIX}{name}/; {HOME} has the links")
    try:
        found = cluster.get(_set(name))
        if found is None:
            return _error(HTTPStatus.NOT_FOUND, f"profile {name} has no StatefulSet 'notebook'; `mlstack up` makes it")
        if not opens(method, headers):
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"the notebook of {name} is {state(found)}; open its page")
        if not found["spec"].get("replicas"):
            cluster.scale(name, 1)
            LOG.info("the notebook of %s is woken", name)
            return HTTPStatus.SERVICE_UNAVAILABLE, HTML, waiting(name, "")
        base = f"api/v1/namespaces/{name}"
        pods = items(cluster.get(f"{base}/pods?labelSelector=app.kubernetes.io/name%3Dnotebook"))
        return HTTPStatus.SERVICE_UNAVAILABLE, HTML, waiting(name, why(pods, items(cluster.get(f"{base}/events"))))
    except KubeError as error:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"the cluster does not answer for the notebook: {error}")


def _home(cluster: Cluster, site: Site, headers: Mapping[str, str]) -> Answer:
    user, groups = headers.get(site.user_header) or "", groups_of(headers.get(site.groups_header) or "")
    mine = site.of(user, groups)
    try:
        states = {one.namespace: state(cluster.get(_set(one.namespace))) for one in mine}
    except KubeError as error:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"the cluster does not answer: {error}")
    return HTTPStatus.OK, HTML, home(site, mine, states)


def _set(namespace: str) -> str:
    return f"{STATEFUL}/namespaces/{namespace}/statefulsets/notebook"


def _error(status: HTTPStatus, text: str) -> Answer:
    return status, JSON, json.dumps({"error": text}) + "\n"


def make_server(
    cluster: Cluster, site: Site, address: tuple[str, int], ready: Callable[[], bool]
) -> ThreadingHTTPServer:
    """The server; ready: whether the routes agree with the notebooks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _reply(self) -> None:
            if self.path == "/alive":
                self._say(HTTPStatus.OK, JSON, "{}")
            elif self.path == "/ready":
                self._say(HTTPStatus.OK if ready() else HTTPStatus.SERVICE_UNAVAILABLE, JSON, "{}")
            else:
                lower = {key.lower(): value for key, value in self.headers.items()}
                self._say(*answer(cluster, site, self.command, self.path, lower))

        def _say(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.send_header("connection", "close")  # bodies of requests are not read
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _reply  # the class gives the names

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the gateway writes a line for every request."""

    return ThreadingHTTPServer(address, Handler)
