"""The cluster by its API server over HTTP, with the token and the authority of a service account. No SDK: five requests do."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from mlstack.core.model import Object
from mlstack_portal.cluster import POD, ClusterError, Kind

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and the cluster's authority."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
LOG_BYTES = 65536
"""How much of one log is read at most."""
SECONDS = 10.0
"""How long one answer may take."""


class KubeApi:
    """The ``Cluster`` protocol. The token is read for every request, since the kubelet renews it."""

    def __init__(self, url: str, account: Path = ACCOUNT) -> None:
        """url: the API server's; account: directory with ``token`` and, for https, ``ca.crt``."""
        verify = ssl.create_default_context(cafile=str(account / "ca.crt")) if url.startswith("https:") else False
        self._token = account / "token"
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=8)
        self._client = httpx.AsyncClient(
            base_url=url, verify=verify, timeout=SECONDS, limits=limits, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def objects(
        self, kind: Kind, namespace: str = "", selector: str = "", fields: str = "", *, metadata_only: bool = False
    ) -> list[Object]:
        """As the protocol says; a kind that the server does not know has no objects."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        accept = METADATA_ONLY if metadata_only else "application/json"
        answer = await self._ask("GET", kind.path(namespace), query, accept=accept)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        group = {"kind": kind.name, "apiVersion": kind.group}
        return [{**item, **group} for item in _checked(answer).json().get("items") or []]

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As the protocol says."""
        answer = await self._ask("GET", kind.path(namespace, quote(name, safe="")), {})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: Object = _checked(answer).json()
        return found

    async def create(self, kind: Kind, namespace: str, obj: Object) -> Object:
        """As the protocol says."""
        made: Object = _checked(await self._ask("POST", kind.path(namespace), {}, body=obj)).json()
        return made

    async def watch(self, kind: Kind, namespace: str, name: str, seconds: int) -> AsyncIterator[Object | None]:
        """As the protocol says: an event for what is there comes first, since no version is named."""
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(seconds)}
        timeout = httpx.Timeout(SECONDS, read=seconds + SECONDS)
        try:
            async with self._client.stream(
                "GET", kind.path(namespace), params=query, headers=self._headers(), timeout=timeout
            ) as answer:
                if answer.status_code >= httpx.codes.BAD_REQUEST:
                    await answer.aread()
                    _checked(answer)
                async for line in answer.aiter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ClusterError(int(event["object"].get("code", 0)), str(event["object"].get("message", "")))
                    if event["type"] != "BOOKMARK":
                        yield None if event["type"] == "DELETED" else event["object"]
        except httpx.HTTPError as error:
            raise _silent(error) from error

    async def log(self, namespace: str, pod: str, container: str, tail: int) -> list[str]:
        """As the protocol says."""
        query = {"container": container, "tailLines": str(tail), "limitBytes": str(LOG_BYTES)}
        answer = await self._ask("GET", POD.path(namespace, quote(pod, safe="")) + "/log", query)
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):
            return []  # the pod is gone, or its container has not started
        return _checked(answer).text.splitlines()

    def _headers(self, accept: str = "application/json") -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.read_text().strip()}", "Accept": accept}

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: Mapping[str, Any] | None = None,
        accept: str = "application/json",
    ) -> httpx.Response:
        params = {key: value for key, value in query.items() if value}
        try:
            return await self._client.request(method, path, params=params, json=body, headers=self._headers(accept))
        except httpx.HTTPError as error:
            raise _silent(error) from error


def _silent(error: httpx.HTTPError) -> ClusterError:
    return ClusterError(0, f"the cluster's API server does not answer ({type(error).__name__})")


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer when it is good. Raises ClusterError with the server's message."""
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return answer
    try:
        message = str(answer.json().get("message") or answer.reason_phrase)
    except (ValueError, AttributeError):
        message = answer.reason_phrase
    raise ClusterError(answer.status_code, message)
