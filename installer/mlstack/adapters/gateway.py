"""Requests to the platform's gateway on this host, byte for byte as given, over verified TLS under its external name."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from urllib.parse import urlsplit

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.probes import Answer, Probe

SECONDS = 15.0
BODY = 4096
"""Bytes of an answer's body that are kept."""
UPSTREAM = "x-envoy-upstream-service-time"
"""Header of answers that come from behind the gateway."""


class GatewayClient:
    """url: external address, http or https; authority: PEM of the CA of its certificate; address: where it is published.

    http.client is used instead of a friendlier library, because attacks on paths must not be tidied up before they are sent.
    """

    def __init__(self, url: str, authority: str, address: str = "127.0.0.1") -> None:
        parts = urlsplit(url)
        self._host, self._netloc, self._scheme = parts.hostname or "", parts.netloc, parts.scheme
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._address = address
        self._context = ssl.create_default_context(cadata=authority)

    def send(self, probe: Probe) -> Answer:
        """One request on a connection of its own. Raises ``gateway.unreachable``; a connection that the gateway closes without
        an answer is an Answer of status 0."""
        try:
            raw = socket.create_connection((self._address, self._port), timeout=SECONDS)
            there = self._context.wrap_socket(raw, server_hostname=self._host) if self._secure else raw
        except (OSError, ssl.SSLError) as error:
            raise MlstackError(
                "gateway.unreachable",
                f"the gateway does not answer at {self._scheme}://{self._netloc}",
                why=str(error),
                remedy="run `mlstack status`, then `mlstack doctor`",
                exit_code=ExitCode.NOT_READY,
            ) from None
        with contextlib.closing(there):
            return _exchange(there, self._netloc, probe)


def _exchange(there: socket.socket, netloc: str, probe: Probe) -> Answer:
    lines = [f"{probe.method} {probe.target} HTTP/1.1", f"Host: {netloc}"]
    lines += [f"{name}: {value}" for name, value in probe.headers]
    if not any(name.lower() == "connection" for name, _ in probe.headers):
        lines.append("Connection: close")
    lines += ["Content-Length: 0"] if probe.method not in ("GET", "HEAD") else []
    response = http.client.HTTPResponse(there, method=probe.method)
    try:
        there.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        response.begin()
        served = response.getheader(UPSTREAM) is not None
        return Answer(response.status, response.getheader("Location") or "", response.read(BODY), served)
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        response.close()
