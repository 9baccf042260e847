"""The API server's client against an HTTP server that answers as one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlstack_inference.kube import Kube
from mlstack_pod.kube import KubeError, items

LINES = [
    {"type": "ADDED", "object": {"metadata": {"name": "iris", "resourceVersion": "8"}}},
    {"type": "ERROR", "object": {"code": 410, "message": "too old"}},
]


class Api(BaseHTTPRequestHandler):
    """Knows one object, a watch, and refuses what is below ``refused``."""

    seen: list[tuple[str, str, str, str]] = []

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        self.seen.append((self.command, self.path, self.headers["authorization"], body))
        if "watch=true" in self.path:
            self._say(200, "".join(json.dumps(line) + "\n" for line in LINES))
        elif "refused" in self.path:
            self._say(422, json.dumps({"message": "minReplicas is more than maxReplicas"}))
        elif "broken" in self.path:
            self._say(500, "<html>")
        elif "iris" in self.path:
            self._say(200, json.dumps({"metadata": {"name": "iris"}, "items": [{}]}))
        else:
            self._say(404, json.dumps({"message": "not found"}))

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PATCH = do_DELETE = _reply

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[Kube]:
    (tmp_path / "token").write_text("first\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Api.seen.clear()
    yield Kube(f"http://127.0.0.1:{server.server_port}", tmp_path)
    server.shutdown()
    server.server_close()


def test_objects_are_read_with_the_token_as_it_is_now(kube: Kube, tmp_path: Path) -> None:
    assert kube.get("api/v1/iris") == {"metadata": {"name": "iris"}, "items": [{}]}
    (tmp_path / "token").write_text("second")
    assert kube.get("api/v1/none") is None
    assert [one[2] for one in Api.seen] == ["Bearer first", "Bearer second"]
    assert items(None) == []


def test_an_object_is_applied_by_the_server(kube: Kube) -> None:
    kube.apply("apis/x/iris", {"kind": "X"})
    method, path, _, body = Api.seen[-1]
    assert (method, path) == ("PATCH", "/apis/x/iris?fieldManager=mlstack-inference&force=true")
    assert json.loads(body) == {"kind": "X"}


def test_a_refusal_is_told_in_the_servers_words(kube: Kube) -> None:
    with pytest.raises(KubeError, match="minReplicas is more than maxReplicas") as caught:
        kube.apply("apis/x/refused", {})
    assert caught.value.status == 422
    with pytest.raises(KubeError, match="<html>"):
        kube.get("api/v1/broken")


def test_deleting_what_is_not_there_is_done(kube: Kube) -> None:
    kube.delete("api/v1/none")
    with pytest.raises(KubeError):
        kube.delete("api/v1/refused")


def test_a_watch_gives_changes_until_the_server_has_enough(kube: Kube) -> None:
    changes = kube.watch("api/v1/iris", "7", 30)
    assert next(changes) == ("ADDED", LINES[0]["object"])
    with pytest.raises(KubeError, match="too old") as caught:
        next(changes)
    assert caught.value.status == 410
    assert "resourceVersion=7" in Api.seen[-1][1]


def test_nobody_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    nobody = Kube("http://127.0.0.1:9", tmp_path)
    with pytest.raises(KubeError, match="does not answer"):
        nobody.get("api/v1/iris")
    with pytest.raises(KubeError, match="broke off"):
        next(nobody.watch("api/v1/iris", "1", 1))
