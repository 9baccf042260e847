"""A real registry (Debian's docker-registry) on a loopback port, and pushing an image into it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from mlstack.artifacts.layer import write_layer
from mlstack.artifacts.oci import write_image
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry, Tree
from mlstack.core.recipe import Build

USER, PASSWORD = "tester", "canary-pass"
HTPASSWD = "tester:$2b$05$S.L0KxRl7uzze8YVA8qfYuowh8jRk7QywPiTmSL2p4xivPnZuSow2"


def registry_program(directory: Path) -> Path:
    """docker-registry of the host, or out of Debian's package; without either the tests are skipped, in CI they fail."""
    found = shutil.which("docker-registry")
    if found:
        return Path(found)
    try:
        subprocess.run(
            ["apt-get", "download", "docker-registry"], cwd=directory, check=True, capture_output=True, timeout=90
        )
        deb = next(directory.glob("*.deb"))
        subprocess.run(["dpkg-deb", "--extract", str(deb), str(directory)], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        message = f"Debian's docker-registry cannot be had here: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return directory / "usr" / "bin" / "docker-registry"


@dataclass(frozen=True)
class LocalRegistry:
    host: str
    storage: Path
    auth: tuple[str, str] | None

    @property
    def url(self) -> str:
        return f"http://{self.host}/v2"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(program: Path, directory: Path, *, auth: bool = False) -> Iterator[LocalRegistry]:
    directory.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": host},
    }
    if auth:
        (directory / "htpasswd").write_text(HTPASSWD + "\n")
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    (directory / "config.yml").write_text(json.dumps(config))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([str(program), "serve", str(directory / "config.yml")], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"http://{host}/v2/", trust_env=False).status_code in (200, 401):
                    break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < end, (directory / "log").read_text()
                time.sleep(0.05)
        yield LocalRegistry(host, directory / "data", (USER, PASSWORD) if auth else None)
    finally:
        process.terminate()
        process.wait(10)


def make_image(root: Path, content: bytes) -> tuple[Store, str, dict[str, int]]:
    """A small image in a store of its own: the store, its manifest digest and its blobs."""
    store = Store(root)
    layer = write_layer(store, [LayerEntry("hello", content=(content,))], Tree())
    digest, blobs = write_image(store, Build(command=["/hello"]), [layer], "amd64")
    return store, digest, blobs


def push(
    registry: LocalRegistry, repository: str, tag: str, store: Store, digest: str, blobs: Mapping[str, int]
) -> None:
    """Pushes as any client does: blobs, then the manifest by tag."""
    with httpx.Client(base_url=f"http://{registry.host}", trust_env=False, auth=registry.auth) as client:
        for blob in blobs:
            if blob == digest:
                continue
            location = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status().headers["location"]
            where = httpx.URL(location).copy_merge_params({"digest": blob})
            client.put(where, content=store.blob(blob).read_bytes()).raise_for_status()
        raw = store.read_bytes(digest)
        headers = {"content-type": json.loads(raw).get("mediaType", "")}
        client.put(f"/v2/{repository}/manifests/{tag}", content=raw, headers=headers).raise_for_status()


def push_index(registry: LocalRegistry, repository: str, tag: str, digests: Mapping[str, tuple[str, int]]) -> str:
    """Pushes an index over pushed manifests (architecture -> digest and size); returns its digest."""
    kind = "application/vnd.oci.image.index.v1+json"
    index = {
        "schemaVersion": 2,
        "mediaType": kind,
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": size,
                "platform": {"os": "linux", "architecture": name},
            }
            for name, (digest, size) in digests.items()
        ],
    }
    raw = json.dumps(index).encode()
    url = f"{registry.url}/{repository}/manifests/{tag}"
    httpx.put(url, content=raw, headers={"content-type": kind}, auth=registry.auth, trust_env=False).raise_for_status()
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers every request with one status, as a registry behind a wall does; yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
