"""The cluster's API server over HTTP, with a pod's token; the standard library does, so that the programs stay small."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

Object = dict[str, Any]
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 10.0
"""How long one answer may take."""
GONE = 410
"""The server no longer knows the version that a watch wants to go on from."""
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class KubeError(Exception):
    """The server's refusal. status: 0 where it did not answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kube:
    """The cluster of the pod that this runs in. Every method raises KubeError."""

    def __init__(self, manager: str, url: str = "https://kubernetes.default.svc", account: Path = ACCOUNT) -> None:
        """manager: the field manager of what is written; url: the API server's; account: directory with ``token`` and, for
        https, ``ca.crt``."""
        self._manager, self._parts, self._account = manager, urlsplit(url), account
        self._tls = (
            ssl.create_default_context(cafile=str(account / "ca.crt")) if self._parts.scheme == "https" else None
        )

    def get(self, path: str) -> Object | None:
        """An object, or a list; None where there is none."""
        try:
            return self._ask("GET", path)
        except KubeError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def create(self, path: str, obj: Object) -> Object:
        """Creates an object in the collection at ``path``; gives what it became."""
        return self._ask("POST", path, obj, "application/json")

    def apply(self, path: str, obj: Object) -> Object:
        """Server-side applies an object, and takes fields that another manager holds; gives what it became."""
        return self._ask("PATCH", f"{path}?{urlencode({'fieldManager': self._manager, 'force': 'true'})}", obj, APPLY)

    def merge(self, path: str, change: Object) -> Object:
        """Merges a change into an object (RFC 7386); gives what it became."""
        return self._ask("PATCH", f"{path}?{urlencode({'fieldManager': self._manager})}", change, MERGE)

    def delete(self, path: str) -> None:
        """Deletes an object; one that is not there is gone already."""
        try:
            self._ask("DELETE", path)
        except KubeError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def events(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[tuple[str, Object]]:
        """Type and object of each change, for so many seconds. Raises KubeError also with what the server says in between, as
        status GONE when the version to go on from is too old."""
        asked = {**query, "watch": "true", "timeoutSeconds": str(seconds)}
        connection = self._connection(seconds + SECONDS)
        try:
            for line in self._send(connection, "GET", f"{path}?{urlencode(asked)}", None, ""):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise KubeError(int(event["object"].get("code") or 0), str(event["object"].get("message")))
                yield event["type"], event["object"]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise KubeError(0, f"the watch broke off: {error}") from error
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "") -> Object:
        connection = self._connection(SECONDS)
        try:
            found: Object = json.loads(self._send(connection, method, path, body, kind).read())
            return found
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise KubeError(0, f"the API server does not answer: {error}") from error
        finally:
            connection.close()

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        host = self._parts.netloc
        if self._tls is None:
            return http.client.HTTPConnection(host, timeout=seconds)
        return http.client.HTTPSConnection(host, timeout=seconds, context=self._tls)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Mapping[str, Any] | None, kind: str
    ) -> http.client.HTTPResponse:
        # the kubelet renews the token
        headers = {"Authorization": f"Bearer {(self._account / 'token').read_text().strip()}"}
        if body is not None:
            headers["Content-Type"] = kind
        connection.request(method, f"/{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status >= http.client.BAD_REQUEST:
            raise KubeError(answer.status, _message(answer.read()))
        return answer


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError):
        return body.decode(errors="replace")[:200]


def items(found: Object | None) -> list[Object]:
    """The objects of a list."""
    return list((found or {}).get("items") or ())
