"""The whole program as a process: it serves what is listed, and ends in order when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

START = """
import sys
from pathlib import Path
from mlstack_lineage import __main__ as program
from mlstack_lineage.cluster import Cluster
from mlstack_pod.kube import Kube
url, token, port = sys.argv[1:]
program.PORT = int(port)
Cluster.of_pod = staticmethod(lambda: Cluster(Kube("lineage", url, Path(token).parent), "kubeflow"))
program.main()
print("ended in order", flush=True)
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def listed() -> Iterator[tuple[str, int]]:
    """(address of an API server that lists one namespace, that namespace's port)"""
    port = free_port()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": {"tenants.json": json.dumps({"ann": port})}}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", port
    server.shutdown()
    server.server_close()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_it_serves_and_ends(listed: tuple[str, int], tmp_path: Path) -> None:
    (url, tenant), web = listed, free_port()
    (tmp_path / "token").write_text("word")
    environment = {
        **os.environ,
        "LINEAGE_DIRECTORY": str(tmp_path / "data"),
        "LINEAGE_LIST": "tenants",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", START, url, str(tmp_path / "token"), str(web)]
    program = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not healthy(web):
            assert program.poll() is None and time.monotonic() < deadline, "it does not become ready"
            time.sleep(0.1)
        with grpc.insecure_channel(f"127.0.0.1:{tenant}") as channel:
            assert channel.unary_unary("/ml_metadata.MetadataStoreService/GetContexts")(b"", timeout=20) == b""
        program.send_signal(signal.SIGTERM)
        said, _ = program.communicate(timeout=60)
    finally:
        program.kill()
    assert (program.returncode, said.splitlines()[-1]) == (0, "ended in order"), said
