"""Serves models from a program in a pod: applies an InferenceService, waits for it, asks it, and takes it away.

``Models`` raises NotServed with what is waited for as soon as it is certain that waiting does not help.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlstack_inference.explain import Reason, explain, holds_of
from mlstack_inference.kube import SERVICES, Kube
from mlstack_inference.model import SOURCE, Object, Predictor, holds, is_serverless, name_of, predictors
from mlstack_inference.web import state_of
from mlstack_pod.gateway import Gateway
from mlstack_pod.kube import ACCOUNT, KubeError

READER = "model-reader"
BUCKET = "mlstack.dev/bucket"
"""Annotation of that account."""
PATIENCE = 20.0
"""Seconds for which a reason that does not pass by itself may stay: what is retried gets a second try."""


def _far_away(service: Object, host: str) -> Reason:
    on = f"Service/{service['metadata']['namespace']}/{host}"
    why = "its pods are ready, but no connection leads there from here"
    return Reason(name_of(service), on, why, "Look at the network policies of the namespace.", False)


class NotServed(Exception):
    """The model is not served. reason: why, and what to do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def is_rolled_out(service: Object, pods: Sequence[Object]) -> bool:
    """Whether what is wanted is what answers: KServe calls a model ready while the one before it still serves."""
    if not holds(service, "Ready"):
        return False
    wanted = predictors(service)
    if is_serverless(service) or not wanted[0].source:
        return True
    return all(_answers(one, pods) for one in wanted) and all(one.ready for one in wanted)


def _answers(wanted: Predictor, pods: Sequence[Object]) -> bool:
    mine = [
        pod
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get("app") == f"isvc.{wanted.service}"
        if not pod["metadata"].get("deletionTimestamp")
    ]
    sources = {(pod["metadata"].get("annotations") or {}).get(SOURCE, "") for pod in mine}
    return sources == {wanted.source} and any(holds_of(pod, "Ready").get("status") == "True" for pod in mine)


def is_reached(host: str, port: int = 80) -> bool:
    """Whether something takes connections there, seen from here: the nodes' rules follow a pod that is ready by a moment."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


class Models:
    """The models of one namespace. clock and pause: of the time that waiting is measured by; reached: whether a host is."""

    def __init__(
        self,
        kube: Kube | None = None,
        namespace: str = "",
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        reached: Callable[[str], bool] = is_reached,
    ) -> None:
        self._kube = kube or Kube()
        self.namespace = namespace or (ACCOUNT / "namespace").read_text().strip()
        self._clock, self._pause, self._reached = clock, pause, reached

    def apply(
        self,
        name: str,
        spec: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Object:
        """Makes or changes an InferenceService. Raises KubeError, with the reason of KServe where that refuses it."""
        marks = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
        obj: Object = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "namespace": self.namespace, **marks},
            "spec": dict(spec),
        }
        return self._kube.apply(self._path(name), obj)

    def delete(self, name: str) -> None:
        """Takes it away. Raises KubeError."""
        self._kube.delete(self._path(name))

    def wait(self, name: str, seconds: float = 120) -> Object:
        """Until what was applied last answers. Raises NotServed when it will not, or not within ``seconds``."""
        start, since, last = self._clock(), self._clock(), ""
        while True:
            service = self._kube.get(self._path(name)) or {"metadata": {"name": name, "namespace": self.namespace}}
            if "spec" not in service:
                on = f"InferenceService/{self.namespace}/{name}"
                raise NotServed(Reason(f"the wait for {name}", on, "it is gone", "Apply it again."))
            pods, events = state_of(self._kube, self.namespace, service)
            far = self._far(service) if is_rolled_out(service, pods) else None
            if far == "":
                return service
            reason, now = _far_away(service, far) if far else explain(service, pods, events), self._clock()
            mark = f"{reason.on} {reason.remedy}" if reason.lasting else ""
            since, last = (since, last) if mark == last else (now, mark)
            if (last and now - since >= PATIENCE) or now - start >= seconds:
                raise NotServed(reason)
            self._pause(1.0)

    def _far(self, service: Object) -> str:
        """A Service of what is wanted that no connection leads to from here; empty when there is none."""
        if is_serverless(service):
            return ""  # Knative says that it is ready when its gateways lead there
        hosts = (one.service for one in predictors(service))
        return next((host for host in hosts if not self._reached(f"{host}.{self.namespace}.svc.cluster.local")), "")

    def bucket(self) -> str:
        """The bucket of the namespace, which models are read from by the account ``model-reader``. Raises KubeError."""
        account = self._kube.get(f"api/v1/namespaces/{self.namespace}/serviceaccounts/{READER}")
        if account is None:
            raise KubeError(
                404, f"namespace {self.namespace} has no service account {READER}: it is not made for models"
            )
        return str(account["metadata"]["annotations"][BUCKET])

    def ask(self, name: str, path: str, body: Any, seconds: float = 30, version: str = "") -> tuple[int, Any]:
        """Status and answer of a model, asked inside of the cluster. version: a canary's name, empty for the stable one."""
        service = self._kube.get(self._path(name))
        stable = predictors(service)[0].service if service else f"{name}-predictor"
        host = f"{name}-{version}-predictor" if version else stable
        return post(f"http://{host}.{self.namespace}.svc.cluster.local{path}", body, seconds)

    def ask_through(self, gateway: Gateway, name: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and answer of a model, asked as its users ask it. Raises OSError where the gateway does not answer."""
        return gateway.post(f"/serving/{self.namespace}/{name}{path}", body)

    def _path(self, name: str) -> str:
        return f"{SERVICES}/namespaces/{self.namespace}/inferenceservices/{name}"


def post(url: str, body: Any, seconds: float = 30, token: Path | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer. token: file with a bearer token. Raises OSError where nobody answers."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token.read_text().strip()}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  # the caller's own URL
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
