"""A Keycloak admin API in memory over real HTTP: what ``KeycloakUsers`` asks of one, and its recovery command."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIXED = {"id": "c1", "clientId": "mlstack", "secret": "old", "redirectUris": ["https://old/cb"], "name": "kept"}


class FakeKeycloak:
    """State of two realms. admins: name -> password of the master realm's users."""

    def __init__(self) -> None:
        self.admins: dict[str, str] = {"admin": "right"}
        self.users: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        self.members: dict[str, set[str]] = {}
        self.client: dict[str, Any] = dict(FIXED)
        self.profile: dict[str, Any] = {"attributes": [{"name": "firstName", "required": {"roles": ["user"]}}]}
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "/realms/master/protocol/openid-connect/token":
            right = self.admins.get(body["username"]) == body["password"]
            return (200, {"access_token": "t"}) if right else (401, {"error": "invalid_grant"})
        realm, _, rest = path.removeprefix("/admin/realms/").partition("/")
        with self.lock:
            return (
                self._master(method, rest, query, body) if realm == "master" else self._own(method, rest, query, body)
            )

    def _master(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "users":
            return 200, [{"id": name, "username": name} for name in self.admins if name == query["username"]]
        name = path.split("/")[1]
        if method == "DELETE":
            del self.admins[name]
        else:
            self.admins[name] = body["value"]
        return 204, None

    def _own(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "users/profile":
            self.profile = body or self.profile
            return 200, self.profile
        if path.startswith("clients"):
            self.client = body or self.client
            return 200, [self.client]
        if path == "groups":
            return self._groups(method, body)
        if found := re.fullmatch(r"groups/([^/]+)/members", path):
            return 200, [{"id": one} for one in self.users if found[1] in self.members.get(one, ())]
        return self._users(method, path.split("/")[1:], query, body)

    def _groups(self, method: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, [{"id": one, "name": name} for name, one in self.groups.items()]
        if body["name"] in self.groups:
            return 409, {"errorMessage": "exists"}
        self.groups[body["name"]] = uuid.uuid4().hex
        return 201, None

    def _users(self, method: str, parts: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        if not parts and method == "GET":
            return 200, [one for one in self.users.values() if all(one[k] == query[k] for k in query if k in one)]
        key = parts[0] if parts else ""
        taken = {one["email"] for one in self.users.values() if one["id"] != key}
        taken |= {one["username"] for one in self.users.values() if one["id"] != key}
        if len(parts) < 2 and body and taken & {body["email"], body["username"]}:
            return 409, {"errorMessage": "exists"}
        if not parts:
            key = uuid.uuid4().hex
            self.users[key] = {"id": key, **{k: v for k, v in body.items() if k not in ("groups", "credentials")}}
            self.passwords[body["username"]] = body["credentials"][0]["value"]
            self.members[key] = {self.groups[name.strip("/")] for name in body["groups"]}
            return 201, None
        return self._user(method, key, parts[1:], body)

    def _user(self, method: str, key: str, parts: list[str], body: Any) -> tuple[int, Any]:
        if parts == ["reset-password"]:
            self.passwords[self.users[key]["username"]] = body["value"]
        elif parts[:1] == ["groups"] and method == "GET":
            return 200, [{"id": one, "name": n} for n, one in self.groups.items() if one in self.members[key]]
        elif parts[:1] == ["groups"]:
            (self.members[key].add if method == "PUT" else self.members[key].discard)(parts[1])
        elif not parts and method == "DELETE":
            del self.users[key]
        elif not parts:
            self.users[key] = body
        return 204, None

    @contextlib.contextmanager
    def serving(self):
        """The port it listens on."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _all(self) -> None:
                text = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                form = self.headers.get("content-type", "").startswith("application/x-www-form")
                body = {k: v[0] for k, v in parse_qs(text).items()} if form else json.loads(text) if text else None
                parts = urlsplit(self.path)
                query = {key: value[0] for key, value in parse_qs(parts.query).items()}
                code, said = fake.answer(self.command, parts.path.removeprefix("/keycloak"), query, body)
                data = b"" if said is None else json.dumps(said).encode()
                self.send_response(code)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _all

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
