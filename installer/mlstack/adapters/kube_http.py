"""One request to the Kubernetes API and what may go wrong with it: pooled connections, bounded retries, errors in words.

Nothing here knows a kind. Requests that are safe to repeat are repeated while the server is throttling, failing or gone;
a create is repeated only after its caller looked whether the first try went through.
"""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlstack.adapters.kube_request import JSON, Request, refused, words_of
from mlstack.adapters.kubeconfig import Access
from mlstack.core.errors import MlstackError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

RETRIED = frozenset({429, 500, 502, 503, 504})
PASSING = (b"etcdserver", b"timed out", b"timeout", b"failed calling webhook", b"connection refused", b"InternalError")
"""Words in a 500 that tell of a trouble that may pass."""
FINAL_AFTER = 2.0
"""Seconds to go on after any other 500."""
LOGIN = "401"
WAKING = 20.0
"""Seconds after an outage during which a server that is starting may refuse what it allows: it has not read its roles yet."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds in seconds. first: until the server answers for the first time; later: once it did; failing: for a server
    that answers 500; read: silence within one answer; connect: for a connection."""

    first: float = 10.0
    later: float = 120.0
    failing: float = 30.0
    read: float = 30.0
    connect: float = 5.0


DEFAULT_PATIENCE = Patience()


class _Again(Exception):
    """The request may be sent again. after: seconds the server asked for; limit: seconds to go on trying, 0 for the usual
    bound; answer: the server's refusal, for the case that trying again does not help."""

    def __init__(self, why: str, after: float = 0.0, limit: float = 0.0, answer: MlstackError | None = None) -> None:
        super().__init__(why)
        self.why, self.after, self.limit, self.answer = why, after, limit, answer


Read = Callable[[str, Mapping[str, str], Any], None]


class Transport:
    """Sends requests. Safe for several threads. notify gets a line when the user should know that we wait; read gets path, query
    and answer of every read that is not a stream, None for what is not there."""

    def __init__(
        self,
        access: Access,
        patience: Patience = DEFAULT_PATIENCE,
        notify: Callable[[str], None] = lambda _line: None,
        size: int = 16,
        read: Read = lambda _path, _query, _answer: None,
    ) -> None:
        self._access, self._patience, self._notify, self._read = access, patience, notify, read
        self._pool = pool_of(access, size)
        self._answered = False
        self._outage = -WAKING
        self._closed = threading.Event()
        self._streams: set[BaseHTTPResponse] = set()
        self._lock = threading.Lock()
        self.requests = 0

    def call(self, request: Request) -> Any:
        """Sends the request and gives the parsed answer. Raises MlstackError kube.*."""
        started, attempt, fresh = time.monotonic(), 0, False
        while True:
            try:
                return self._once(request, fresh)
            except _Again as again:
                attempt += 1
                fresh = again.why == LOGIN
                self._pause(request, again, attempt, time.monotonic() - started)
                found = request.resend() if request.resend else None
                if found is not None:
                    return found

    def _once(self, request: Request, fresh: bool) -> Any:
        response = self._send(request, stream=False, timeout=self._patience.read, fresh=fresh)
        if response.status >= 400:
            if request.method == "GET" and response.status == 404:
                self._read(request.path, request.query or {}, None)
            raise self._refusal(request, response.status, response.data, response.headers)
        if request.accept != JSON and "json" not in request.accept:
            return response.data
        try:
            answer = json.loads(response.data)
        except ValueError:
            raise _Again("its answer was cut off") from None
        if request.method == "GET":
            self._read(request.path, request.query or {}, answer)
        return answer

    def open(self, request: Request, timeout: float) -> BaseHTTPResponse:
        """Starts an answer that is read bit by bit; timeout: seconds of silence allowed in it. Pass it to ``done`` at the end."""
        started, attempt, fresh = time.monotonic(), 0, False
        while True:
            try:
                response = self._send(request, stream=True, timeout=timeout, fresh=fresh)
                if response.status < 400:
                    with self._lock:
                        self._streams.add(response)
                    return response
                body = response.read()
                response.release_conn()
                raise self._refusal(request, response.status, body, response.headers)
            except _Again as again:
                attempt += 1
                fresh = again.why == LOGIN
                self._pause(request, again, attempt, time.monotonic() - started)

    def done(self, response: BaseHTTPResponse) -> None:
        """Ends a stream."""
        with self._lock:
            self._streams.discard(response)
        response.close()

    def close(self) -> None:
        """Wakes every wait and every stream; afterwards each request fails with kube.unreachable."""
        self._closed.set()
        with self._lock:
            streams = list(self._streams)
        for response in streams:
            _shut(response)

    def _send(self, request: Request, *, stream: bool, timeout: float, fresh: bool) -> BaseHTTPResponse:
        import urllib3

        if self._closed.is_set():
            raise self._unreachable(request, "the client was closed")
        headers = {"Accept": request.accept, "User-Agent": "mlstack", **self._access.headers(fresh)}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        url = self._access.prefix + request.path + ("?" + urlencode(request.query) if request.query else "")
        if self._access.proxy:
            url = f"{'https' if self._access.context else 'http'}://{self._access.host}:{self._access.port}{url}"
        self.requests += 1
        try:
            response = self._pool.urlopen(
                request.method,
                url,
                body=request.body,
                headers=headers,
                retries=False,
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=self._patience.connect, read=timeout),
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._transport_fault(request, error) from None
        self._answered = True
        return response

    def _transport_fault(self, request: Request, error: Exception) -> Exception:
        cause: BaseException | None = error
        while cause is not None:
            for inner in (cause, *cause.args):
                if isinstance(inner, ssl.SSLCertVerificationError):
                    return self._unreachable(request, f"its certificate is not trusted ({inner.verify_message})")
            cause = cause.__cause__ or cause.__context__
        self._outage = time.monotonic()
        return _Again(words_of(error))

    def _refusal(self, request: Request, status: int, body: bytes, headers: Mapping[str, str]) -> Exception:
        answer = refused(request, status, body)
        if status == 401 and self._access.headers(False):
            return _Again(LOGIN, answer=answer)
        if status == 403 and time.monotonic() - self._outage < WAKING:
            return _Again("it is starting and refuses everybody", limit=WAKING, answer=answer)
        if status not in RETRIED:
            return answer
        after = headers.get("Retry-After", "")
        limit = 0.0
        if status == 500:
            # The server also says 500 to objects that it will never take.
            limit = self._patience.failing if any(word in body for word in PASSING) else FINAL_AFTER
        return _Again(f"it answered {status}", float(after) if after.isdigit() else 0.0, limit, answer)

    def _pause(self, request: Request, again: _Again, attempt: int, waited: float) -> None:
        if again.why == LOGIN:
            if attempt > 1 and again.answer is not None:
                raise again.answer
            return
        limit = again.limit or (self._patience.later if self._answered else self._patience.first)
        delay = max(again.after, min(0.05 * 2.0 ** min(attempt, 7), 3.0) * random.uniform(0.7, 1.3))  # noqa: S311 - spread, no secret
        if waited + delay > limit:
            raise (again.answer or self._unreachable(request, again.why)) from None
        if attempt in (4, 8, 16, 32):
            self._notify(f"The API server at {self._access.url} does not serve requests ({again.why}); waiting for it.")
        if self._closed.wait(delay):
            raise self._unreachable(request, "the client was closed") from None

    def _unreachable(self, request: Request, why: str) -> MlstackError:
        return MlstackError(
            "kube.unreachable",
            f"The Kubernetes API at {self._access.url} cannot be used",
            why=f"{request.about or request.method + ' ' + request.path}: {why}",
            remedy="Check that the cluster runs (`mlstack status`, `mlstack start`), then run the command again.",
        )


def pool_of(access: Access, size: int) -> HTTPConnectionPool:
    """Connections to a server, at most ``size`` at once."""
    import urllib3

    if access.proxy:
        # It offers the same urlopen as the pool of one host.
        return urllib3.ProxyManager(access.proxy, maxsize=size, ssl_context=access.context)  # type: ignore[return-value]
    if access.context is None:
        return urllib3.HTTPConnectionPool(access.host, access.port, maxsize=size)
    return urllib3.HTTPSConnectionPool(
        access.host,
        access.port,
        maxsize=size,
        ssl_context=access.context,
        server_hostname=access.server_name or None,
        assert_hostname=access.server_name or None,
    )


def _shut(response: BaseHTTPResponse) -> None:
    """Wakes the thread that reads the response: closing alone would leave it in recv."""
    import socket

    connection = response.connection
    sock = getattr(connection, "sock", None)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
