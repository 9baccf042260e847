"""A small program behind the platform's gateway, for tests and measurements: a pod, its service and a route of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import kubernetes

from e2e.browser import Browser
from e2e.platform import PYTHON_IMAGE, Platform, namespace, restricted, run_pod, wait_for

AUDIENCE = "istio-ingressgateway.istio-system.svc.cluster.local"
ECHO = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.HTTPServer(("", 8080), Echo).serve_forever()
"""
"""Tells what headers it got, as a list of pairs."""


def machine_token(platform: Platform, space: str, *audiences: str) -> str:
    """A token of a namespace's default service account."""
    spec = {"audiences": list(audiences), "expirationSeconds": 600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    made = platform.core().create_namespaced_service_account_token("default", space, body)
    return str(made.status.token)


@contextmanager
def application(
    platform: Platform, code: str, node_port: int = 0, space: str = "", labels: dict[str, str] | None = None
) -> Iterator[str]:
    """Runs Python that serves HTTP on port 8080 and gives its path at the gateway once that answers, behind the login.

    node_port: where the node publishes it as well, without the gateway. space: an existing namespace; empty makes one, with
    ``labels``. Its Service is ``application`` there, on port 8080.
    """
    core = platform.core()
    with nullcontext(space) if space else namespace(core, labels) as space:
        name = run_pod(core, space, restricted(PYTHON_IMAGE, ["python3", "-c", code]), {"app": "application"})
        port = {"name": "http", "port": 8080, **({"nodePort": node_port} if node_port else {})}
        kind = "NodePort" if node_port else "ClusterIP"
        service = {"type": kind, "selector": {"app": "application"}, "ports": [port]}
        core.create_namespaced_service(space, {"metadata": {"name": "application"}, "spec": service})
        _publish(core, space)
        wait_for(core, space, name, {"Running"})
        _await_answer(Browser(*platform.door()), f"/{space}/", machine_token(platform, space, AUDIENCE))
        yield f"/{space}/"


def _publish(core: kubernetes.client.CoreV1Api, space: str) -> None:
    """A route of the gateway to the application of a namespace."""
    to = {"destination": {"host": f"application.{space}.svc.cluster.local", "port": {"number": 8080}}}
    # the gateway puts what matches everything behind what does not, also out of several objects for the same hosts
    http = [{"match": [{"uri": {"prefix": f"/{space}/"}}], "route": [to]}]
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "application"},
        "spec": {"gateways": ["istio-system/platform"], "hosts": ["*"], "http": http},
    }
    custom = kubernetes.client.CustomObjectsApi(core.api_client)
    custom.create_namespaced_custom_object("networking.istio.io", "v1", space, "virtualservices", route)


def _await_answer(browser: Browser, path: str, token: str) -> None:
    """Returns once the route answers: the gateway learns of it after the objects are made."""
    for _ in range(120):
        answer = browser.get(path, Authorization=f"Bearer {token}")
        if answer.status_code == 200:
            return
        time.sleep(0.5)
    raise AssertionError(f"{path} answers {answer.status_code} after a minute: {answer.text[:200]}")
