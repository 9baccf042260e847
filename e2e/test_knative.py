"""Services that scale with their requests, on a real platform: shares, tags, who is let in, zero and back, no failed request."""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from e2e.application import AUDIENCE
from e2e.browser import Browser
from e2e.platform import Platform, restricted, run_pod, until, wait_for
from e2e.tenants import needs, two_profiles

pytestmark = pytest.mark.timeout(900)
GROUP, PLURAL = ("serving.knative.dev", "v1"), "services"
SYSTEM = "knative-serving"
IMAGE = "mlstack.local/python:3.11"
OWNER, OTHER = "e2e-serve@example.org", "e2e-serve-other@example.org"
PROGRAM = """
import json, os, signal, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if self.path.startswith("/sleep/"):
            time.sleep(float(self.path.rsplit("/", 1)[-1]))
        told = {"pod": os.uname().nodename, "word": os.environ["WORD"], "user": self.headers.get("kubeflow-userid")}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
ThreadingHTTPServer(("", int(os.environ["PORT"])), Answer).serve_forever()
"""
CALL = """
import sys, time, urllib.request
end = time.monotonic() + 30  # the network rules of a new pod take a moment
while True:
    try:
        sys.exit(urllib.request.urlopen(sys.argv[1], timeout=20).status != 200)
    except OSError as error:
        if time.monotonic() > end:
            sys.exit(repr(error))
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def profiles(platform: Platform) -> Iterator[tuple[str, str]]:
    """Two profiles of different owners."""
    needs(platform, "stack knative on profile standard", "serving", "profiles", "gateway")
    with two_profiles(platform, {"serve": OWNER, "other": OTHER}) as names:
        yield names


class Serving:
    """Services of one profile, as its owner makes and calls them."""

    def __init__(self, platform: Platform, space: str) -> None:
        self.platform, self.space, self.core = platform, space, platform.core()
        self.custom = kubernetes.client.CustomObjectsApi(self.core.api_client)
        self.browser = Browser(*platform.door())
        self.parts = urlsplit(self.browser.url)

    def body(
        self, name: str, word: str, traffic: list[dict[str, Any]] | None, labels: dict[str, str]
    ) -> dict[str, Any]:
        container = {
            "image": IMAGE,
            "command": ["python3", "-c", PROGRAM],
            "env": [{"name": "WORD", "value": word}],
            "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}},
        }
        notes = {"autoscaling.knative.dev/window": "6s"}
        template = {
            "metadata": {"name": f"{name}-{word}", "annotations": notes},
            "spec": {"containers": [container]},
        }
        spec: dict[str, Any] = {"template": template, **({"traffic": traffic} if traffic else {})}
        kind = {"apiVersion": "/".join(GROUP), "kind": "Service"}
        return {**kind, "metadata": {"name": name, "labels": labels}, "spec": spec}

    def apply(
        self,
        name: str,
        word: str,
        traffic: list[dict[str, Any]] | None = None,
        labels: dict[str, str] | None = None,
    ) -> None:
        body = self.body(name, word, traffic, labels or {})
        try:
            self.custom.create_namespaced_custom_object(*GROUP, self.space, PLURAL, body)
        except ApiException as error:
            if error.status != 409:
                raise
            self.custom.patch_namespaced_custom_object(*GROUP, self.space, PLURAL, name, body)
        self.await_ready(name)

    def share(self, name: str, traffic: list[dict[str, Any]]) -> None:
        """Other shares, the same revision: a patch that names its containers anew would be another one."""
        self.custom.patch_namespaced_custom_object(*GROUP, self.space, PLURAL, name, {"spec": {"traffic": traffic}})
        self.await_ready(name)

    def await_ready(self, name: str) -> None:
        until(lambda: self.is_ready(name), 180, f"{name} is ready")

    def is_ready(self, name: str) -> bool:
        found = self.custom.get_namespaced_custom_object(*GROUP, self.space, PLURAL, name)
        status = found.get("status") or {}
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or [])
        return ready and status["observedGeneration"] == found["metadata"]["generation"]

    def delete(self, name: str) -> None:
        self.custom.delete_namespaced_custom_object(*GROUP, self.space, PLURAL, name)

    def pods(self, name: str) -> int:
        selector = f"serving.knative.dev/service={name}"
        return len(self.core.list_namespaced_pod(self.space, label_selector=selector).items)

    def token(self, space: str = "") -> str:
        spec = {"audiences": [AUDIENCE], "expirationSeconds": 3600}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        made = self.core.create_namespaced_service_account_token("default-editor", space or self.space, body)
        return str(made.status.token)

    def url(self, name: str, path: str = "/") -> str:
        return f"https://{name}.{self.space}.{self.parts.hostname}:{self.parts.port or 443}{path}"

    def get(self, name: str, token: str, path: str = "/", **headers: str) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return self.browser.client.get(self.url(name, path), headers={**bearer, **headers})


@pytest.fixture(scope="module")
def serving(platform: Platform, profiles: tuple[str, str]) -> Serving:
    return Serving(platform, profiles[0])


@pytest.fixture(scope="module")
def token(serving: Serving) -> str:
    return serving.token()


@pytest.fixture(scope="module")
def hello(serving: Serving, token: str) -> Iterator[str]:
    """A service with one revision, ``one``, answering through the gateway."""
    serving.apply("hello", "one")
    until(lambda: serving.get("hello", token).status_code == 200, 60, "the gateway leads there")
    yield "hello"
    serving.delete("hello")


def test_its_people_are_let_in_and_nobody_else(
    serving: Serving, hello: str, token: str, profiles: tuple[str, str]
) -> None:
    answer = serving.get(hello, token)
    assert answer.status_code == 200
    assert answer.json()["user"] == f"system:serviceaccount:{profiles[0]}:default-editor"
    assert serving.get(hello, "").status_code in (302, 401, 403), "no token, no answer"
    assert serving.get(hello, "nonsense").status_code == 401
    refused = serving.get(hello, serving.token(profiles[1]))
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    forged = serving.get(hello, serving.token(profiles[1]), **{"kubeflow-userid": OWNER})
    assert forged.status_code == 403
    for path in ("/oauth2/x", "/dex/x"):
        assert serving.get(hello, "", path).status_code not in (200, 500), "no path goes past the login"
    there = serving.browser.client.get(
        f"{serving.browser.url}/",
        headers={"Authorization": f"Bearer {serving.token(profiles[1])}", "Host": urlsplit(serving.url(hello)).netloc},
    )
    assert there.status_code == 403, "another name in the handshake changes nothing"


def test_shares_and_tags(serving: Serving, hello: str, token: str) -> None:
    traffic = [
        {"revisionName": f"{hello}-one", "percent": 75, "tag": "stable"},
        {"revisionName": f"{hello}-two", "percent": 25, "tag": "next"},
    ]
    serving.apply(hello, "two", traffic)
    seen = Counter(serving.get(hello, token).json()["word"] for _ in range(120))
    assert seen.keys() == {"one", "two"}
    assert 12 <= seen["two"] <= 50, "30 expected"
    assert serving.get(f"stable-{hello}", token).json()["word"] == "one"
    assert {serving.get(hello, token, **{"Knative-Serving-Tag": "next"}).json()["word"] for _ in range(8)} == {"two"}
    serving.share(hello, [{"revisionName": f"{hello}-two", "percent": 100}])
    assert {serving.get(hello, token).json()["word"] for _ in range(10)} == {"two"}


def test_what_is_local_to_the_cluster_has_no_name_outside(serving: Serving, token: str) -> None:
    serving.apply("inside", "one", labels={"networking.knative.dev/visibility": "cluster-local"})
    try:
        assert serving.get("inside", token).status_code == 404
        address = f"inside.{serving.space}.svc.cluster.local"
        for space, phase in (("ml", "Succeeded"), (serving.space, "Failed")):
            spec = restricted(IMAGE, ["python3", "-c", CALL, f"http://{address}/"])
            name = run_pod(serving.core, space, spec)
            found = wait_for(serving.core, space, name, {"Succeeded", "Failed"})
            serving.core.delete_namespaced_pod(name, space)
            assert found == phase, f"from {space}: pods of profiles do not reach the inner ports by default"
    finally:
        serving.delete("inside")


def test_zero_and_back(serving: Serving, hello: str, token: str) -> None:
    cold, warm = [], []
    for _ in range(3):
        until(lambda: serving.pods(hello) == 0, 180, "its pods have gone")
        began = time.monotonic()
        assert serving.get(hello, token).status_code == 200
        cold.append(time.monotonic() - began)
        for _ in range(10):
            began = time.monotonic()
            assert serving.get(hello, token).status_code == 200
            warm.append(time.monotonic() - began)
    print(f"cold {[round(one, 2) for one in cold]} s, warm {statistics.median(warm) * 1000:.0f} ms")
    assert max(cold) < 30
    assert statistics.median(warm) < 1


class Load:
    """Ten requests a second through the gateway, until it is told to end. seen: by status, or by the error."""

    def __init__(self, serving: Serving, name: str, token: str) -> None:
        self.serving, self.name, self.token, self.seen = serving, name, token, Counter[str]()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.stop.wait(0.1):
            try:
                self.seen[str(self.serving.get(self.name, self.token).status_code)] += 1
            except httpx.HTTPError as error:
                self.seen[repr(error)] += 1

    def __enter__(self) -> Load:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(60)


def restart(core: kubernetes.client.CoreV1Api, name: str) -> None:
    """Rolls a deployment and waits until it has its new pods and no old ones."""
    apps = kubernetes.client.AppsV1Api(core.api_client)
    note = {"kubectl.kubernetes.io/restartedAt": secrets.token_hex(4)}
    apps.patch_namespaced_deployment(name, SYSTEM, {"spec": {"template": {"metadata": {"annotations": note}}}})

    def rolled() -> bool:
        found = apps.read_namespaced_deployment_status(name, SYSTEM)
        status, wanted = found.status, found.spec.replicas
        seen = status.observed_generation == found.metadata.generation
        return seen and status.updated_replicas == status.available_replicas == status.replicas == wanted

    until(rolled, 240, f"{name} has rolled")


def test_no_request_fails_while_all_of_it_is_rolled(serving: Serving, hello: str, token: str) -> None:
    with Load(serving, hello, token) as load:
        time.sleep(2)
        serving.apply(hello, "three", [{"latestRevision": True, "percent": 100}])
        restart(serving.core, "knative-ingress")
        restart(serving.core, "knative-gateway")
        serving.apply(hello, "four", [{"latestRevision": True, "percent": 100}])
        time.sleep(5)
    assert load.seen.keys() == {"200"}, load.seen
    assert load.seen["200"] > 100


def test_a_restarted_controller_takes_no_readiness_back(serving: Serving, hello: str) -> None:
    """Watched as it happens: not for a moment is the service not ready."""
    seen: list[bool] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.2):
            seen.append(serving.is_ready(hello))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    restart(serving.core, "knative-ingress")
    time.sleep(5)
    stop.set()
    thread.join(30)
    assert seen
    assert all(seen)


def test_the_sample_measures_it(platform: Platform, serving: Serving) -> None:
    result = platform.cli("run", "serve-zero", "--watch", "--json", timeout=900).lines()[-1]
    assert (result["type"], result["phase"]) == ("SampleResult", "Succeeded")
    found = result["results"]
    assert float(found["warm"]) < float(found["cold"]) < 30
    assert int(found["pods"]) == 1
    assert int(found["zero"]) >= 1
