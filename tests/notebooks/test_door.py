"""The door adds the pod's token and verifies the gateway; it hands on neither the caller's cookies nor a token of theirs."""

from __future__ import annotations

import datetime
import http.server
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlstack_notebooks.door import Gateway, make_door

HOST = "golden.localhost"


def certificate(path: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem, private = path / "ca.crt", path / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return pem, private


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        said = {"path": self.path, "method": self.command, "body": body, "headers": dict(self.headers.items())}
        self.send_response(201)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    pem, key = certificate(tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "token").write_text("of-the-pod\n")
    yield Gateway(f"127.0.0.1:{server.server_port}", f"{HOST}:8443", tmp_path / "token", pem)
    server.shutdown()
    server.server_close()


def ask(gateway: Gateway, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    door = make_door(gateway, 0)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{door.server_port}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    finally:
        door.shutdown()
        door.server_close()


def test_it_asks_with_the_pods_token_by_the_name_that_users_know(gateway: Gateway) -> None:
    status, said = ask(gateway, "/pipeline/x?y=1", b"text", Authorization="Bearer other", Cookie="a=b", X="y")
    headers = {key.lower(): value for key, value in said["headers"].items()}
    assert (status, said["method"], said["path"], said["body"]) == (201, "POST", "/pipeline/x?y=1", "text")
    assert headers["authorization"] == "Bearer of-the-pod" and headers["host"] == f"{HOST}:8443"
    assert headers["x"] == "y" and "cookie" not in headers


def test_a_gateway_that_nobody_vouches_for_gets_no_token(gateway: Gateway, tmp_path: Path) -> None:
    status, said = ask(replace(gateway, authorities=tmp_path / "none"), "/x")
    assert status == 502 and "certificate verify failed" in said["error"]
    status, said = ask(replace(gateway, authority="other.localhost:8443"), "/x")
    assert status == 502 and "certificate verify failed" in said["error"]


def test_one_that_does_not_answer_is_named(gateway: Gateway) -> None:
    status, said = ask(replace(gateway, service="127.0.0.1:1"), "/x")
    assert status == 502 and "127.0.0.1:1" in said["error"]
    status, said = ask(replace(gateway, token=gateway.token.with_name("gone")), "/x")
    assert status == 502 and "gone" in said["error"]
