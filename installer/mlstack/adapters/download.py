"""Downloads over HTTP(S): streamed to disk, resumed, checked by hash; the network's faults become clear errors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlstack.core.disk import disk_error, human
from mlstack.core.errors import ExitCode, MlstackError, interrupted
from mlstack.core.ports import Cancelled

if TYPE_CHECKING:
    import ssl

    import httpx

CHUNK = 1 << 20
_RETRYABLE_PART = (200, 206)


class HttpDownload:
    """The ``Download`` port.

    proxy: URL for http and https, empty: the environment's; ca_file: PEM bundle beside the system's, empty: none;
    no_proxy: hosts and domains reached without it; timeout: seconds for connecting and for each read.
    """

    def __init__(
        self, *, proxy: str = "", ca_file: str = "", timeout: float = 30.0, no_proxy: Sequence[str] = ()
    ) -> None:
        self._proxy = proxy
        self._no_proxy = tuple(no_proxy)
        self._ca_file = ca_file
        self._timeout = timeout
        self._shared: httpx.Client | None = None

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        sha256: str = "",
        limit: int = 8 << 30,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
        cancelled: Cancelled = lambda: False,
    ) -> Path:
        """Writes ``url`` to ``target`` (0600), resuming ``target.part``; on_progress gets bytes done and total (0 unknown).

        limit: more bytes than this are refused. Raises download.unreachable, download.refused, download.not-found,
        download.too-large, download.hash-mismatch, disk.*, run.interrupted.
        """
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            have = part.stat().st_size if part.exists() and sha256 else 0
        except OSError as error:
            raise disk_error(error, target) from error
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._open(url, headers) as response:
            if response.status_code == 416 and have:
                have = 0
                part.unlink(missing_ok=True)
                return self.fetch(url, target, sha256=sha256, limit=limit, on_progress=on_progress, cancelled=cancelled)
            _check_status(url, response.status_code)
            have = have if response.status_code == 206 else 0
            total = have + int(response.headers.get("content-length", 0) or 0)
            _receive(response, part, have, _Bounds(url, total, limit), on_progress, cancelled)
        _verify(url, part, sha256)
        try:
            part.replace(target)
        except OSError as error:
            raise disk_error(error, target) from error
        return target

    def read(self, url: str, *, limit: int = 4 << 20, headers: Mapping[str, str] | None = None) -> bytes:
        """A small document. Raises as ``fetch``."""
        import httpx

        with self._open(url, dict(headers or {})) as response:
            _check_status(url, response.status_code)
            body = bytearray()
            try:
                for data in response.iter_bytes(CHUNK):
                    body += data
                    if len(body) > limit:
                        raise _too_large(url, limit)
            except httpx.HTTPError as error:
                raise _unreachable(url, error) from error
        return bytes(body)

    @contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        import httpx

        try:
            with self._client().stream("GET", url, headers=dict(headers), follow_redirects=True) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(url, error) from error

    def _routes(self) -> dict[str, httpx.HTTPTransport | None] | None:
        """None: the environment's proxies; else all through the proxy but the hosts that need none."""
        import httpx

        if not self._proxy:
            return None
        routes: dict[str, httpx.HTTPTransport | None] = {
            "all://": httpx.HTTPTransport(proxy=self._proxy, verify=self._context())
        }
        for entry in self._no_proxy:
            name = entry.strip().lstrip("*").lstrip(".")
            if name:
                routes |= {f"all://{name}": None, f"all://*.{name}": None}
        return routes

    def _context(self) -> ssl.SSLContext:
        import httpx

        verify = httpx.create_ssl_context()
        if self._ca_file:
            try:
                verify.load_verify_locations(self._ca_file)
            except (OSError, ValueError) as error:
                raise MlstackError(
                    "config.bad-ca-file",
                    f"The CA file {self._ca_file} cannot be used",
                    why=str(error),
                    remedy="give a PEM file with certificates (network.caFile)",
                    exit_code=ExitCode.USAGE,
                ) from error
        return verify

    def _client(self) -> httpx.Client:
        import httpx

        if self._shared is None:
            self._shared = httpx.Client(
                verify=self._context(),
                mounts=self._routes(),
                timeout=self._timeout,
                headers={"User-Agent": "mlstack", "Accept-Encoding": "identity"},
            )
        return self._shared


def bypassed(host: str, no_proxy: Sequence[str]) -> bool:
    """True when ``host[:port]`` is one of the names or below one of the domains (``.example`` or ``example``), or ``*``."""
    name = host.rsplit(":", 1)[0].lower()
    entries = [entry.strip().lstrip("*").lstrip(".").lower() if entry.strip() != "*" else "*" for entry in no_proxy]
    return any(entry and (entry == "*" or name == entry or name.endswith(f".{entry}")) for entry in entries)


class _Bounds:
    """What a response may be: total bytes as announced, limit as allowed."""

    def __init__(self, url: str, total: int, limit: int) -> None:
        self.url, self.total, self.limit = url, total, limit


def _receive(
    response: httpx.Response,
    part: Path,
    have: int,
    bounds: _Bounds,
    on_progress: Callable[[int, int], None],
    cancelled: Cancelled,
) -> None:
    done = have
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if have else os.O_TRUNC), 0o600)
        with os.fdopen(handle, "ab" if have else "wb") as file:
            for data in response.iter_raw(CHUNK):
                if cancelled():
                    raise interrupted(f"the download of {shown(bounds.url)}")
                done += len(data)
                if done > bounds.limit:
                    raise _too_large(bounds.url, bounds.limit)
                file.write(data)
                on_progress(done, bounds.total)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(error, part, max(bounds.total - done, 0)) from error


def _verify(url: str, part: Path, sha256: str) -> None:
    if not sha256:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink(missing_ok=True)
        raise MlstackError(
            "download.hash-mismatch",
            f"What {shown(url)} sent is not what the recipe pins",
            why=f"expected sha256 {sha256}, got {found}",
            remedy="do not use it; try again or another mirror, and if it stays so tell the recipe's maintainer",
        )


def _check_status(url: str, status: int) -> None:
    if status in _RETRYABLE_PART:
        return
    if status in (404, 410):
        raise MlstackError(
            "download.not-found",
            f"{shown(url)} does not exist there",
            why=f"the server answered {status}",
            remedy="check the mirror's configuration (artifacts.mirrors, GOPROXY)",
        )
    raise MlstackError(
        "download.refused",
        f"The server refused {shown(url)}",
        why=f"it answered {status}" + (" (too many requests)" if status == 429 else ""),
        remedy="check credentials and mirror settings, or try again later",
    )


def _too_large(url: str, limit: int) -> MlstackError:
    return MlstackError(
        "download.too-large",
        f"{shown(url)} is larger than expected",
        why=f"the limit is {human(limit)}",
        remedy="do not use it; check the mirror",
    )


def _unreachable(url: str, error: Exception) -> MlstackError:
    return MlstackError(
        "download.unreachable",
        f"{urlsplit(url).hostname or url} cannot be reached",
        why=f"{type(error).__name__}: {error}".rstrip(": "),
        remedy="check the network, the proxy (network.proxy) and the CA file (network.caFile)",
    )


def shown(url: str) -> str:
    """A URL without user, password and query, fit for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
