"""An issuer of somebody else is asked before anything relies on it: each thing that does not fit has its message."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from mlstack.adapters.issuer import Issuer

CALLBACK = "https://lab.localhost/oauth2/callback"


class Handler(BaseHTTPRequestHandler):
    """Knows client ``c`` with secret ``s`` and one redirect URI."""

    def do_GET(self) -> None:
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.endswith("/.well-known/openid-configuration"):
            names = {"issuer": base, "authorization_endpoint": f"{base}/auth", "token_endpoint": f"{base}/token"}
            documents = {
                "": {**names, "jwks_uri": f"{base}/keys"},
                "/alias": {**names, "jwks_uri": "x"},
                "/half": names,
            }
            found = documents.get(path.removesuffix("/.well-known/openid-configuration"))
            self.say(200 if found else 404, found or {})
        else:
            known = query["client_id"] == ["c"] and query["redirect_uri"] == [CALLBACK]
            further = f"{base}/auth/local?{urlsplit(self.path).query}" if path == "/auth" else ""
            self.say(302 if further else 200 if known else 400, {}, further)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        right = self.headers["authorization"] == "Basic " + base64.b64encode(b"c:s").decode()
        self.say(400 if right else 401, {"error": "invalid_grant" if right else "invalid_client"})

    def say(self, code: int, body: object, location: str = "") -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        if location:
            self.send_header("location", location)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "client", "secret", "callback", "codes"),
    [
        ("", "c", "s", CALLBACK, []),
        ("", "c", "", CALLBACK, []),
        ("", "c", "wrong", CALLBACK, ["auth.client-refused"]),
        ("", "c", "s", "https://other/oauth2/callback", ["auth.callback-refused"]),
        ("", "d", "s", CALLBACK, ["auth.client-refused", "auth.callback-refused"]),
        ("/alias", "c", "s", CALLBACK, ["auth.other-issuer"]),
        ("/half", "c", "s", CALLBACK, ["auth.no-issuer"]),
        ("/nothing", "c", "s", CALLBACK, ["auth.no-issuer"]),
    ],
)
def test_what_does_not_fit_is_told(
    base: str, path: str, client: str, secret: str, callback: str, codes: list[str]
) -> None:
    problems = Issuer(base + path).problems(client, secret, callback)
    assert [one.code for one in problems] == codes
    assert all(one.remedy and one.exit_code == 3 and "wrong" not in f"{one.what}{one.why}" for one in problems)


def test_an_issuer_that_does_not_answer_and_an_authority_that_is_none_are_told() -> None:
    (problem,) = Issuer("http://127.0.0.1:9").problems("c", "s", CALLBACK)
    assert problem.code == "auth.issuer-unreachable" and "network.proxy" in problem.remedy
    (problem,) = Issuer("https://127.0.0.1:9", "-----BEGIN CERTIFICATE-----\nnone").problems("c", "s", CALLBACK)
    assert problem.code == "auth.bad-authority"
