"""A real Envoy as the stack runs it (its bootstrap out of the golden output), backends of several kinds, and what it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import envoy
import httpx
import uvicorn
import yaml
from ingressworld import service

from mlstack_ingress.ledger import Ledger
from mlstack_ingress.listeners import Ports
from mlstack_ingress.snapshot import Snapshot, Verdict, World, translate
from mlstack_ingress.xds import Discovery, make_app

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "stacks" / "knative" / "0.50.0" / "golden" / "objects.yaml"
ENVOY = Path(envoy.__file__).parent / "_bin" / "envoy"
HERE = "127.0.0.1"
WAIT = 30.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HERE, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def until(what: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


class Echo(BaseHTTPRequestHandler):
    """Answers with its name and the request's headers, after as many seconds as the path says (``/sleep/2``)."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/sleep/"):
            time.sleep(float(self.path.rsplit("/", 1)[-1]))
        body = json.dumps({"name": self.server.server_name, "path": self.path, "headers": dict(self.headers.items())})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        return


@dataclass
class Backends:
    """Servers on ports of their own, by name."""

    ports: dict[str, int] = field(default_factory=dict)
    servers: list[ThreadingHTTPServer] = field(default_factory=list)

    def start(self, *names: str) -> None:
        for name in names:
            server = ThreadingHTTPServer((HERE, 0), Echo)
            server.daemon_threads, server.server_name = True, name
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
            self.ports[name] = server.server_address[1]

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def services(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {("team", name): service(name, HERE, ("http", port)) for name, port in self.ports.items()}


class ControlPlane:
    """Ledger and discovery behind a real server, in a thread with a loop of its own."""

    def __init__(self, port: int) -> None:
        self.port, self.ledger, self.used = port, Ledger(keep=1.0), {}
        self.requests = 0

    def start(self, others: dict[str, Any] | None = None) -> None:
        """others: clusters that gateways may have from before."""
        self.others = others
        up = threading.Event()

        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            self.discovery = Discovery(self.ledger, lambda: None, hold=2.0)
            config = uvicorn.Config(
                make_app(self.discovery), host=HERE, port=self.port, log_level="warning", timeout_graceful_shutdown=1
            )
            self.server = uvicorn.Server(config)
            task = asyncio.create_task(self.server.serve())
            while not self.server.started and not task.done():
                await asyncio.sleep(0.01)
            up.set()
            await task

        self.thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self.thread.start()
        assert up.wait(WAIT)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(WAIT)

    def call(self, what: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return what()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(WAIT)

    def publish(self, objects: list[dict[str, Any]], world: World) -> tuple[Snapshot, dict[str, Verdict]]:
        snapshot, verdicts = translate(objects, world, self.used)
        self.used = dict(snapshot.used)

        def put() -> None:
            self.ledger.publish(snapshot, time.monotonic(), self.others)
            self.others = None
            self.discovery.wake()

        self.call(put)
        return snapshot, verdicts

    def publish_all(self, objects: list[dict[str, Any]], world: World, *nodes: str) -> Snapshot:
        """Publishes and waits until the gateways run it."""
        snapshot, _ = self.publish(objects, world)
        for node in nodes:
            until(lambda n=node: self.call(lambda: self.ledger.runs(n)) == snapshot.version, f"{node} does not follow")
        return snapshot


def bootstrap(ports: Ports, xds: int, admin: int, health: int) -> str:
    """The stack's own, with addresses of this machine and without TLS towards the control plane."""
    document = yaml.safe_load(config_map()["envoy.yaml"])
    document["admin"]["address"]["socket_address"]["port_value"] = admin
    clusters = {one["name"]: one for one in document["static_resources"]["clusters"]}
    del clusters["xds"]["transport_socket"]
    for name, port in (("xds", xds), ("admin", admin)):
        place = clusters[name]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        place["socket_address"] = {"address": HERE, "port_value": port}
        clusters[name]["type"] = "STATIC"
    (listener,) = document["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": HERE, "port_value": health}
    return json.dumps(document)


def config_map() -> dict[str, str]:
    objects = yaml.safe_load_all(GOLDEN.read_text())
    found = next(obj for obj in objects if obj["kind"] == "ConfigMap" and obj["metadata"]["name"] == "knative-gateway")
    return dict(found["data"])


@dataclass
class Gateway:
    """One Envoy. log: what it wrote."""

    name: str
    ports: Ports
    admin: int
    health: int
    process: subprocess.Popen[bytes]
    log: Path

    def url(self, port: int, path: str = "/") -> str:
        return f"http://{HERE}:{port}{path}"

    def get(self, host: str, path: str = "/", internal: bool = False, **more: Any) -> httpx.Response:
        port = self.ports.internal if internal else self.ports.external
        headers = {"host": host, **more.pop("headers", {})}
        return httpx.get(self.url(port, path), headers=headers, timeout=WAIT, trust_env=False, **more)

    def ready(self) -> bool:
        try:
            return httpx.get(self.url(self.health, "/ready"), timeout=1, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def clusters(self) -> set[str]:
        text = httpx.get(self.url(self.admin, "/clusters?format=json"), timeout=WAIT, trust_env=False).json()
        return {one["name"] for one in text["cluster_statuses"]} - {"xds", "admin"}


@contextmanager
def gateway(directory: Path, name: str, xds: int) -> Iterator[Gateway]:
    """Starts an Envoy and stops it, by its own process and no other."""
    external, internal, external_tls, internal_tls, admin, health = free_ports(6)
    ports = Ports(external, internal, external_tls, internal_tls, HERE)
    file, log = directory / f"{name}.json", directory / f"{name}.log"
    file.write_text(bootstrap(ports, xds, admin, health))
    argv = [str(ENVOY), "--config-path", str(file), "--service-node", name, "--service-cluster", "knative-gateway"]
    argv += ["--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        yield Gateway(name, ports, admin, health, process, log)
    finally:
        process.terminate()
        process.wait(WAIT)
