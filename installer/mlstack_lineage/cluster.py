"""The two things that are asked of the Kubernetes API: the list of namespaces, and whether somebody may see a namespace's runs."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 10.0
LIST_KEY = "tenants.json"
GROUP = "pipelines.kubeflow.org"


@dataclass(frozen=True, slots=True)
class Cluster:
    """One API server. token_file is read for each request, since it changes; authority: PEM file, empty for plain HTTP."""

    url: str
    namespace: str
    token_file: Path
    authority: str = ""

    @staticmethod
    def of_pod(environment: dict[str, str]) -> Cluster:
        """The cluster that this pod is in."""
        host = environment["KUBERNETES_SERVICE_HOST"]
        port = environment["KUBERNETES_SERVICE_PORT"]
        name = f"[{host}]" if ":" in host else host
        space = (ACCOUNT / "namespace").read_text().strip()
        return Cluster(f"https://{name}:{port}", space, ACCOUNT / "token", str(ACCOUNT / "ca.crt"))

    def listed(self, name: str) -> str:
        """The text of the list of namespaces in a ConfigMap. Raises OSError, ValueError."""
        found = self._ask("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
        text = (found.get("data") or {}).get(LIST_KEY)
        if not isinstance(text, str):
            raise ValueError(f"ConfigMap {name} has no {LIST_KEY}")
        return text

    def may_see(self, user: str, groups: Sequence[str], namespace: str) -> bool:
        """Whether the user may get runs of the namespace, as the API server's own rules say. Raises OSError, ValueError."""
        asked = {"group": GROUP, "resource": "runs", "verb": "get", "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": list(groups), "resourceAttributes": asked},
        }
        found = self._ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return (found.get("status") or {}).get("allowed") is True

    def _ask(self, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        place = urlsplit(self.url)
        if place.scheme == "https":
            context = ssl.create_default_context(cafile=self.authority)
            link: http.client.HTTPConnection = http.client.HTTPSConnection(
                place.netloc, timeout=SECONDS, context=context
            )
        else:
            link = http.client.HTTPConnection(place.netloc, timeout=SECONDS)
        headers = {"Authorization": f"Bearer {self.token_file.read_text().strip()}", "Content-Type": "application/json"}
        try:
            link.request(verb, path, json.dumps(body) if body is not None else None, headers)
            answer = link.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"the API server's answer cannot be read: {error}") from error
        finally:
            link.close()
        if answer.status // 100 != 2:
            raise OSError(f"the API server answered {answer.status} to {verb} {path}")
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("the API server answered no object")
        return found
