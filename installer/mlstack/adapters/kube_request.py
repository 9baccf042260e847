"""A request to the Kubernetes API as data, the paths of objects, and the errors for answers that mean no. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlstack.core.errors import MlstackError
from mlstack.core.model import FIELD_MANAGER, Object, ResourceId
from mlstack.core.ports import ApiResource

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
PATCH_MANAGER = "mlstack-patch"
"""Field manager of single-field patches, so that they do not count as drift of what was applied."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. about: what it is about, for errors; secret: the answer's words may hold a secret and are not repeated;
    resend: looks, before a request that is not idempotent is sent again, whether it went through already."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    about: str = ""
    secret: bool = False
    resend: Callable[[], Any] | None = None


def path_of(resource: ApiResource, namespace: str, name: str = "") -> str:
    """The path of a resource's list, or of one object of it."""
    root = "/apis/" if "/" in resource.api_version else "/api/"
    scope = f"/namespaces/{namespace}" if namespace and resource.namespaced else ""
    return f"{root}{resource.api_version}{scope}/{resource.plural}" + (f"/{name}" if name else "")


def write_request(
    method: str,
    resource: ApiResource,
    rid: ResourceId,
    body: Mapping[str, Any],
    resend: Callable[[], Any] | None = None,
) -> Request:
    """A POST, PUT or merge PATCH of an object."""
    patching = method == "PATCH"
    return Request(
        method,
        path_of(resource, rid.namespace, "" if method == "POST" else rid.name),
        {"fieldManager": PATCH_MANAGER if patching else FIELD_MANAGER},
        json.dumps(body, ensure_ascii=False).encode(),
        MERGE if patching else JSON,
        about=str(rid),
        secret=rid.kind == "Secret",
        resend=resend,
    )


def apply_request(resource: ApiResource, rid: ResourceId, obj: Object, force: bool, dry_run: bool) -> Request:
    """A server-side apply. Its answer is only metadata, which spares both sides the whole object; all of it for a dry run."""
    query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
    return Request(
        "PATCH",
        path_of(resource, rid.namespace, rid.name),
        {**query, "dryRun": "All"} if dry_run else query,
        json.dumps(obj, ensure_ascii=False).encode(),
        APPLY,
        JSON if dry_run else METADATA,
        str(rid),
        rid.kind == "Secret",
    )


def delete_request(resource: ApiResource, rid: ResourceId, propagation: str, uid: str) -> Request:
    """A delete; with uid only of that very object."""
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
    if uid:
        options["preconditions"] = {"uid": uid}
    path = path_of(resource, rid.namespace, rid.name)
    return Request("DELETE", path, body=json.dumps(options).encode(), about=str(rid))


def token_request(namespace: str, account: str, audiences: Sequence[str], seconds: int) -> Request:
    """Asks for a token of a service account. It makes nothing that stays, so that it may be sent again."""
    spec = {"audiences": list(audiences), "expirationSeconds": seconds}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return Request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
        body=json.dumps(body).encode(),
        about=f"a token of ServiceAccount/{namespace}/{account}",
        secret=True,
        resend=lambda: None,
    )


def log_request(namespace: str, pod: str, options: Mapping[str, str]) -> Request:
    """A container's log. options: query parameters; empty ones are left out."""
    path, about = f"/api/v1/namespaces/{namespace}/pods/{pod}/log", f"the log of {namespace}/{pod}"
    query = {key: value for key, value in options.items() if value}
    return Request("GET", path, query, accept="*/*", about=about)


def words_of(error: Exception) -> str:
    """A transport fault in a few words, without addresses of Python objects."""
    import urllib3.exceptions as faults

    if isinstance(error, faults.NewConnectionError):
        return "connection refused" if "refused" in str(error) else "no connection"
    if isinstance(error, faults.ConnectTimeoutError):
        return "no connection in time"
    if isinstance(error, faults.ReadTimeoutError):
        return "no answer in time"
    return "the connection broke"


CODES = {401: "kube.forbidden", 403: "kube.forbidden", 404: "kube.not-found", 409: "kube.conflict", 410: "kube.too-old"}
REMEDIES = {
    "kube.forbidden": "Use a kubeconfig with administrator rights on this cluster.",
    "kube.not-found": "Check that the object and its kind exist.",
    "kube.conflict": "Somebody else changed the object meanwhile; run the command again.",
    "kube.invalid": "Correct the object in its stack; `mlstack diff` shows it.",
    "kube.too-old": "Run the command again.",
    "kube.failed": "Run the command again; `mlstack doctor` looks at the cluster.",
}


def refused(request: Request, status: int, body: bytes) -> MlstackError:
    """The error for an answer that means no. The server's own words are kept unless they may hold a secret."""
    code = CODES.get(status, "kube.invalid" if status in (400, 413, 415, 422) else "kube.failed")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    why = str(answer.get("message") or f"HTTP {status}")
    if request.secret:
        causes = (answer.get("details") or {}).get("causes") or ()
        fields = ", ".join(str(cause.get("field", "")) for cause in causes)
        why = f"{answer.get('reason') or f'HTTP {status}'} {fields}".strip()
    return MlstackError(
        code, f"The API server refused {request.about or request.path}", why=why[:2000], remedy=REMEDIES[code]
    )
