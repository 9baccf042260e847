"""Downloads from a real server: resume, hashes, limits, refusals."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from registries import answering, free_port

from mlstack.adapters.download import HttpDownload, bypassed, shown
from mlstack.core.errors import MlstackError

BODY = bytes(range(256)) * 20_000
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves BODY, ranges included; ``/cut`` breaks off in the middle; ``/norange`` ignores ranges."""

    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("range", "")
        self.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.path != "/norange" else 0
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(BODY) - start))
        self.end_headers()
        with suppress(ConnectionError):  # the client may have had enough
            self.wfile.write(BODY[start : len(BODY) // 2 if self.path == "/cut" else None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Handler.ranges.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_with_progress_and_kept_private(download: HttpDownload, url: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = download.fetch(f"{url}/x", tmp_path / "d" / "x", sha256=SHA, on_progress=lambda *a: seen.append(a))
    assert target.read_bytes() == BODY
    assert target.stat().st_mode & 0o777 == 0o600
    assert seen[-1] == (len(BODY), len(BODY))
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["x"]


def test_a_broken_download_is_resumed(download: HttpDownload, url: str, tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        download.fetch(f"{url}/cut", tmp_path / "x", sha256=SHA)
    assert caught.value.code == "download.unreachable"
    have = (tmp_path / "x.part").stat().st_size
    assert 0 < have < len(BODY)
    assert download.fetch(f"{url}/x", tmp_path / "x", sha256=SHA).read_bytes() == BODY
    assert Handler.ranges == ["", f"bytes={have}-"]


def test_a_server_without_ranges_starts_again(download: HttpDownload, url: str, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"junk")
    assert download.fetch(f"{url}/norange", tmp_path / "x", sha256=SHA).read_bytes() == BODY


def test_a_wrong_hash_is_refused_and_named(download: HttpDownload, url: str, tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        download.fetch(f"{url}/x", tmp_path / "x", sha256="0" * 64)
    assert caught.value.code == "download.hash-mismatch"
    assert SHA in caught.value.why and "0" * 64 in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_limit_is_refused(download: HttpDownload, url: str, tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        download.fetch(f"{url}/x", tmp_path / "x", limit=1000)
    assert caught.value.code == "download.too-large"
    with pytest.raises(MlstackError):
        download.read(f"{url}/x", limit=1000)
    assert download.read(f"{url}/x", limit=len(BODY)) == BODY


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not-found"), (410, "not-found"), (403, "refused"), (429, "refused"), (502, "refused")]
)
def test_refusals_name_the_status(download: HttpDownload, tmp_path: Path, status: int, code: str) -> None:
    with answering(status) as host, pytest.raises(MlstackError) as caught:
        download.fetch(f"http://user:canary@{host}/a?token=canary", tmp_path / "x")
    assert caught.value.code == f"download.{code}"
    assert str(status) in caught.value.why
    assert "canary" not in str(caught.value)


def test_an_unreachable_host_is_named(download: HttpDownload, tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        download.fetch(f"http://127.0.0.1:{free_port()}/x", tmp_path / "x")
    assert caught.value.code == "download.unreachable"
    assert "127.0.0.1" in caught.value.what
    with pytest.raises(MlstackError):
        download.fetch("no url at all", tmp_path / "x")


def test_a_cancel_stops_it(download: HttpDownload, url: str, tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        download.fetch(f"{url}/x", tmp_path / "x", cancelled=lambda: True)
    assert caught.value.code == "run.interrupted"


def test_a_bad_ca_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(MlstackError) as caught:
        HttpDownload(ca_file=str(tmp_path / "ca.pem")).read("https://127.0.0.1:1/")
    assert caught.value.code == "config.bad-ca-file"


def test_what_is_shown_of_a_url() -> None:
    assert shown("https://u:p@h.example:8443/a/b?q=1#f") == "https://h.example:8443/a/b"


def test_the_proxy_is_used_but_for_the_hosts_that_need_none(url: str) -> None:
    """The server answers as a proxy does: it gets the whole URL."""
    direct = url.removeprefix("http://")
    assert HttpDownload(proxy=url).read("http://some.example/x", limit=len(BODY)) == BODY
    dead = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(MlstackError):
        HttpDownload(proxy=dead).read(f"http://{direct}/x", limit=len(BODY))
    assert HttpDownload(proxy=dead, no_proxy=["127.0.0.1"]).read(f"http://{direct}/x", limit=len(BODY)) == BODY


@pytest.mark.parametrize(
    ("host", "entries", "expected"),
    [
        ("a.example", ["example"], True),
        ("a.example:5000", [".example"], True),
        ("a.example", ["*.example"], True),
        ("example", ["example"], True),
        ("badexample", ["example"], False),
        ("a.example", ["b.example", ""], False),
        ("anything", ["*"], True),
    ],
)
def test_hosts_without_proxy(host: str, entries: list[str], expected: bool) -> None:
    assert bypassed(host, entries) == expected
