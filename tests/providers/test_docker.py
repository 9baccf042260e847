"""The engine adapter's errors, against an engine that is not there and one that is too old. What a real one does is in e2e."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlstack.adapters.docker import DockerEngine, release
from mlstack.core.errors import ExitCode, MlstackError


class Daemon(ThreadingHTTPServer):
    version = "19.3.15"
    failing = False
    networks: tuple[dict[str, Any], ...] = ()


class Handler(BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        if self.server.failing and not self.path.endswith("/version"):
            self.answer(500, {"message": "the graph driver is broken"})
        elif self.path.endswith("/version"):
            self.answer(200, {"Version": self.server.version, "ApiVersion": "1.41"})
        elif "/networks?" in self.path:
            self.answer(200, list(self.server.networks))
        elif found := [one for one in self.server.networks if self.path.endswith(f"/networks/{one['Id']}")]:
            self.answer(200, found[0])
        else:
            self.answer(404, {"message": "no such thing"})

    def do_DELETE(self) -> None:
        self.server.networks = tuple(one for one in self.server.networks if not self.path.endswith(one["Id"]))
        self.answer(200, {})

    def answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    server = Daemon(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def engine(daemon: Daemon) -> DockerEngine:
    return DockerEngine({"DOCKER_HOST": f"tcp://127.0.0.1:{daemon.server_port}"})


def test_an_old_engine_is_refused_by_name(daemon: Daemon) -> None:
    with pytest.raises(MlstackError) as caught:
        engine(daemon).version()
    assert (caught.value.code, caught.value.exit_code) == ("engine.too-old", ExitCode.PREFLIGHT)
    assert "19.3.15" in caught.value.what


def test_an_engine_of_today_is_taken(daemon: Daemon) -> None:
    daemon.version = "28.2.2"
    assert engine(daemon).version() == "28.2.2"


def test_missing_things_are_no_error_where_nothing_is_to_do(daemon: Daemon) -> None:
    assert engine(daemon).has_image("nothing:1") is False


def test_every_network_of_a_name_goes_but_those_in_use_and_of_other_names(daemon: Daemon) -> None:
    def network(number: str, name: str, **containers: object) -> dict[str, Any]:
        return {"Id": number, "Name": name, "Containers": containers}

    daemon.version = "28.2.2"
    daemon.networks = (network("a", "lab"), network("b", "lab"), network("c", "lab-2"), network("d", "lab", x={}))
    assert engine(daemon).remove_network("lab") is True
    assert [one["Id"] for one in daemon.networks] == ["c", "d"]
    assert engine(daemon).remove_network("lab") is False


def test_a_refusal_carries_the_engines_own_words(daemon: Daemon) -> None:
    daemon.failing = True
    with pytest.raises(MlstackError) as caught:
        engine(daemon).info()
    assert (caught.value.code, caught.value.why) == ("engine.failed", "the graph driver is broken")


def test_no_engine_is_a_preflight_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        DockerEngine({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}).version()
    assert (caught.value.code, caught.value.exit_code) == ("engine.unreachable", ExitCode.PREFLIGHT)
    assert "mlstack doctor --fix" in caught.value.remedy


def test_an_engine_that_went_away_and_came_back_is_found_again(daemon: Daemon) -> None:
    daemon.version = "28.2.2"
    one = engine(daemon)
    assert one.version()
    port = daemon.server_port
    daemon.shutdown()
    daemon.server_close()
    with pytest.raises(MlstackError) as caught:
        one.version()
    assert caught.value.code == "engine.unreachable"
    back = Daemon(("127.0.0.1", port), Handler)
    back.version = "28.2.3"
    threading.Thread(target=back.serve_forever, daemon=True).start()
    try:
        assert one.version() == "28.2.3"
    finally:
        back.shutdown()
        back.server_close()


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("20.10.24+dfsg1", (20, 10)), ("28.2.2", (28, 2)), ("v19.03.5-ce", (19, 3)), ("27", (27, 0)), ("dev", (0, 0))],
)
def test_version_numbers(version: str, numbers: tuple[int, int]) -> None:
    assert release(version) == numbers
