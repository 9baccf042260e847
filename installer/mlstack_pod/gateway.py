"""The platform's gateway, asked from a pod: by the name that users know it by, with the pod's own token."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 300.0
"""How long one answer may take."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to. service: ``host:port`` inside of the cluster; authority: the name that users know it by, with its port.

    token: file with a token for it; authorities: file with the PEM of who signs its certificate, beside the public ones.
    """

    service: str
    authority: str
    token: Path
    authorities: Path

    def connect(self) -> http.client.HTTPSConnection:
        """A connection of its own. Raises OSError (ssl.SSLError among them)."""
        context = ssl.create_default_context()
        if self.authorities.is_file():
            context.load_verify_locations(cafile=str(self.authorities))
        return _Named(self.service, self.authority.partition(":")[0], context)

    def headers(self) -> dict[str, str]:
        """What every request to it carries. Raises OSError without a token."""
        # the kubelet renews the token
        return {"Host": self.authority, "Authorization": f"Bearer {self.token.read_text().strip()}"}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer, None where it is no JSON. Raises OSError where nobody answers."""
        connection = self.connect()
        try:
            headers = {**self.headers(), "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{self.service} breaks off: {error}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None


class _Named(http.client.HTTPSConnection):
    """TLS to a server inside of the cluster by the name that it has outside."""

    def __init__(self, service: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(service, timeout=SECONDS, context=context)
        self._name, self._tls = name, context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)
