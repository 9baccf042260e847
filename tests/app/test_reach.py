"""Whether a published address answers, asked of real servers on the loopback address."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mlstack.adapters.certificates import OwnAuthority
from mlstack.adapters.reach import reach

NAME = "mlstack.localhost"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        named = (self.headers["Host"] or "").startswith(NAME)
        path = self.path.partition("?")[0]
        self.send_response(int(path.strip("/") or 200) if named else 421)
        if "?" in self.path:
            self.send_header("x-envoy-upstream-service-time", "1")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server with a certificate of an authority of its own: its address by name, and the authority."""
    authority = OwnAuthority().new_authority("lab")
    certificate, key = OwnAuthority().issue(authority, [NAME, f"*.{NAME}"])
    (tmp_path / "crt").write_text(certificate)
    (tmp_path / "key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://{NAME}:{server.server_port}", authority[0]
        server.shutdown()


@pytest.mark.parametrize("path", ["/", "/302", "/401", "/404?from=dex"])
def test_who_asks_for_a_login_or_has_no_page_there_answers(gateway: tuple[str, str], path: str) -> None:
    url, authority = gateway
    assert reach(url + path, authority) == ""


@pytest.mark.parametrize(("path", "said"), [("/404", "no route"), ("/503", "answered 503")])
def test_what_leads_nowhere_does_not(gateway: tuple[str, str], path: str, said: str) -> None:
    url, authority = gateway
    assert said in reach(url + path, authority)


def test_a_certificate_of_somebody_else_is_no_answer(gateway: tuple[str, str]) -> None:
    url, _ = gateway
    other = OwnAuthority().new_authority("other")[0]
    assert "CERTIFICATE_VERIFY_FAILED" in reach(url, other) and "CERTIFICATE_VERIFY_FAILED" in reach(url)


def test_other_protocols_answer_by_taking_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert reach(f"mysql://127.0.0.1:{port}") == ""
    assert "refused" in reach(f"mysql://127.0.0.1:{port}").lower()
