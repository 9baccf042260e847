"""A notebook as its user has it: pages and files through the gateway, a kernel by its messages."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import kubernetes
import websocket

from e2e.browser import Browser
from e2e.platform import Platform, until


@dataclass
class Owner:
    """A user with a profile of the same name, logged in by password in a browser of their own."""

    platform: Platform
    name: str
    browser: Browser
    authority: str

    @property
    def path(self) -> str:
        return f"/notebooks/{self.name}"

    def open(self) -> httpx.Response:
        """The notebook's page, once it answers; opening it wakes it."""

        def page() -> httpx.Response | None:
            answer = self.browser.get(f"{self.path}/lab", accept="text/html")
            assert answer.status_code in (200, 503), f"{answer.status_code} {answer.text[:300]}"
            return answer if answer.status_code == 200 else None

        return until(page, 180)

    def ask(self, method: str, path: str, body: Any = None, name: str = "") -> httpx.Response:
        """A request to the notebook's own API. name: of another profile, whose notebook is asked."""
        token = self.browser.client.cookies.get("_xsrf", path=f"{self.path}/") or ""
        url = f"{self.browser.url}/notebooks/{name or self.name}/{path}"
        return self.browser.client.request(method, url, json=body, headers={"X-XSRFToken": token})

    def run(self, code: str, seconds: float = 120) -> str:
        """What Python code prints in a new kernel. Fails with its error."""
        made = self.ask("POST", "api/kernels", {"name": "python3"})
        assert made.status_code == 201, f"{made.status_code} {made.text[:300]}"
        kernel = made.json()["id"]
        try:
            return self._execute(kernel, code, seconds)
        finally:
            self.ask("DELETE", f"api/kernels/{kernel}")

    def _execute(self, kernel: str, code: str, seconds: float) -> str:
        parts = urlsplit(self.browser.url)
        plain = socket.create_connection(("127.0.0.1", parts.port or 443), timeout=seconds)
        context = ssl.create_default_context(cadata=self.authority)
        line = context.wrap_socket(plain, server_hostname=parts.hostname)
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.browser.client.cookies.jar)
        channel = websocket.create_connection(
            f"wss://{parts.netloc}{self.path}/api/kernels/{kernel}/channels",
            socket=line,
            origin=self.browser.url,
            cookie=cookies,
            timeout=seconds,
        )
        try:
            return _printed(channel, code)
        finally:
            channel.close()


def _printed(channel: Any, code: str) -> str:
    mark = uuid.uuid4().hex
    header = {"msg_id": mark, "msg_type": "execute_request", "version": "5.3", "username": "", "session": mark}
    content = {"code": code, "silent": False, "store_history": False, "stop_on_error": True, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
    channel.send(json.dumps({**message, "channel": "shell"}))
    text = ""
    while True:
        got = json.loads(channel.recv())
        if got["parent_header"].get("msg_id") != mark:
            continue
        kind, said = got["header"]["msg_type"], got["content"]
        if kind == "stream" and said["name"] == "stdout":
            text += said["text"]
        elif kind == "execute_result":
            text += said["data"]["text/plain"]
        elif kind == "error":
            raise AssertionError("\n".join(said["traceback"])[-3000:] + text)
        elif kind == "status" and said["execution_state"] == "idle":
            return text


def owner(platform: Platform, word: str) -> Owner:
    """A new user with a profile, logged in."""
    name = f"e2e-{word}-{secrets.token_hex(2)}"
    made = platform.cli("users", "add", name, "--json").lines()[0]
    url, authority = platform.door()
    browser = Browser(url, authority)
    page = browser.login(made["user"]["email"], made["password"], "/my-notebooks/")
    assert page.status_code == 200, f"{page.status_code} {page.text[:300]}"
    return Owner(platform, name, browser, authority)


@contextmanager
def owners(platform: Platform, word: str, other: str) -> Iterator[tuple[Owner, Owner]]:
    """Two new users who have nothing in common, whose names hold the words; gone with their data afterwards."""
    found = owner(platform, word), owner(platform, other)
    try:
        yield found
    finally:
        for one in found:
            one.browser.client.close()
            platform.cli("profiles", "remove", one.name, "--purge", "--yes", check=False)
            platform.cli("users", "remove", one.name, check=False)


def pods(platform: Platform, name: str) -> int:
    """How many pods a notebook is to have."""
    api = kubernetes.client.AppsV1Api(platform.api())
    return int(api.read_namespaced_stateful_set("notebook", name).spec.replicas)
