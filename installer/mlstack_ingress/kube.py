"""The API server over HTTP with a service account's token: mirrors kept by watching, and two writes. No SDK: five requests do."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from mlstack_ingress.model import Key

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and the cluster's authority."""
SECONDS = 10.0
"""How long one answer may take."""
WATCH_SECONDS = 300
"""After this long the server ends a watch, which is then taken up again where it was."""
PAUSE_SECONDS = 1.0
"""Between tries to reach a server that does not answer."""
GONE = 410
"""A watch cannot go on from so old a version: all has to be listed again."""
log = logging.getLogger(__name__)

Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused, or did not answer (code 0)."""

    def __init__(self, code: int, message: str) -> None:
        """code: HTTP's."""
        super().__init__(message)
        self.code = code


class Api:
    """Requests to one API server. The token is read for every request, since the kubelet renews it."""

    def __init__(self, url: str, account: Path = ACCOUNT) -> None:
        """account: directory with ``token`` and, for https, ``ca.crt``."""
        verify = ssl.create_default_context(cafile=str(account / "ca.crt")) if url.startswith("https:") else False
        self._token = account / "token"
        self._client = httpx.AsyncClient(base_url=url, verify=verify, timeout=SECONDS, trust_env=False)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """One object or list. Raises ApiError."""
        return await self._ask("GET", path, query)

    async def merge(self, path: str, change: Object) -> Object:
        """Merges a change into an object (RFC 7386). Raises ApiError; 409: it changed since it was read."""
        return await self._ask("PATCH", path, None, change)

    async def watch(self, path: str, query: Mapping[str, str], version: str) -> AsyncIterator[Object]:
        """Events after a version until the server ends the watch. Raises ApiError."""
        query = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = httpx.Timeout(SECONDS, read=WATCH_SECONDS + SECONDS)
        try:
            async with self._client.stream(
                "GET", path, params=query, headers=self._headers(), timeout=timeout
            ) as answer:
                if answer.status_code >= httpx.codes.BAD_REQUEST:
                    await answer.aread()
                _check(answer)
                async for line in answer.aiter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(int(event["object"].get("code") or 0), str(event["object"].get("message")))
                    yield event
        except httpx.HTTPError as error:
            raise _silent(error) from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.read_text().strip()}", "Accept": "application/json"}

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None
    ) -> Object:
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        content = json.dumps(body) if body is not None else None
        try:
            answer = await self._client.request(method, path, params=query, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise _silent(error) from error
        _check(answer)
        found: Object = answer.json()
        return found


class Mirror:
    """Objects of one kind as the server has them, kept by listing once and watching from there."""

    def __init__(
        self, api: Api, path: str, changed: Callable[[], None], query: Mapping[str, str] | None = None
    ) -> None:
        """path: of the collection; changed: called after every change; query: selectors."""
        self._api, self._path, self._changed, self._query = api, path, changed, dict(query or {})
        self.objects: dict[Key, Object] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. An unreachable server is tried again; what was known stays until it answers."""
        version = ""
        while True:
            try:
                version = version or await self._list()
                async for event in self._api.watch(self._path, self._query, version):
                    version = self._apply(event)
            except ApiError as error:
                log.warning("watching %s: %s", self._path, error)
                if error.code:  # too old, or refused: only a list tells what is there
                    version = ""
                if error.code != GONE:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self) -> str:
        found = await self._api.get(self._path, self._query)
        self.objects = {_key(obj): obj for obj in found.get("items") or []}
        self.synced.set()
        self._changed()
        return str(found["metadata"]["resourceVersion"])

    def _apply(self, event: Object) -> str:
        obj = event["object"]
        if event["type"] == "DELETED":
            self.objects.pop(_key(obj), None)
        elif event["type"] != "BOOKMARK":
            self.objects[_key(obj)] = obj
        if event["type"] != "BOOKMARK":
            self._changed()
        return str(obj["metadata"]["resourceVersion"])


def _key(obj: Object) -> Key:
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def _silent(error: httpx.HTTPError) -> ApiError:
    return ApiError(0, f"the API server does not answer ({type(error).__name__})")


def _check(answer: httpx.Response) -> None:
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return
    try:
        message = str(answer.json().get("message") or answer.reason_phrase)
    except (ValueError, AttributeError):
        message = answer.reason_phrase
    raise ApiError(answer.status_code, message)
