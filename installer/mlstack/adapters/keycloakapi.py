"""Keycloak's admin REST API through a forwarded port: requests as the bootstrap administrator, faults as clear errors.

The API is not reachable at the gateway. An administrator whose password is not that of the Secret (the database outlives the
cluster, generated Secrets do not) gets the Secret's again, by Keycloak's own recovery command inside its pod.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.ports import Kube
from mlstack.core.readiness import State, readiness

if TYPE_CHECKING:
    import httpx

SECONDS = 30.0
RECOVERY_SECONDS = 300.0
ABSENT = ("kube.no-backend", "kube.exec")
"""What Kubernetes says while the server is not there yet, or not any more."""
RECOVER = """read -r RECOVERY && export RECOVERY JAVA_OPTS_KC_HEAP=-Xmx160m && exec /opt/keycloak/bin/kc.sh \
bootstrap-admin user --optimized --no-prompt --http-management-port 9001 --username "$0" --password:env RECOVERY
"""
"""``$0`` is the name of an administrator to be made; the password comes by standard input."""


class KeycloakApi:
    """The API of one server. exports: namespace, service, port, path, realm, selector (of its pods), adminSecret."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._exports = kube, exports

    @contextmanager
    def open(self) -> Iterator[Session]:
        """Requests as the administrator, as long as the block lasts. Raises MlstackError users.store-failed."""
        import httpx

        exports = self._exports
        user, password = self.secret(exports["adminSecret"], "username", "password")
        try:
            with self._kube.forward(exports["namespace"], exports["service"], int(exports["port"])) as local:
                base = f"http://127.0.0.1:{local}{exports['path']}"
                with httpx.Client(base_url=base, timeout=SECONDS, trust_env=False) as http:
                    if not _log_in(http, user, password):
                        self._recover(http, user, password)
                    yield Session(http, exports["realm"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise failed("it does not answer as it should", f"{type(error).__name__}: {error}") from error
        except MlstackError as error:
            if error.code not in ABSENT:
                raise
            raise failed(error.what, error.why) from error

    def secret(self, name: str, *keys: str) -> list[str]:
        """Values of a Secret beside the server. Raises MlstackError users.store-failed."""
        rid = ResourceId("Secret", name, self._exports["namespace"])
        data: Mapping[str, str] = (self._kube.get(rid) or {}).get("data") or {}
        if any(key not in data for key in keys):
            raise failed("it is not made yet", f"{rid} is not there")
        return [base64.b64decode(data[key]).decode() for key in keys]

    def _recover(self, http: httpx.Client, user: str, password: str) -> None:
        """Gives the administrator the Secret's password by the hand of another one, which is gone afterwards."""
        helper, word = f"recovery-{secrets.token_hex(4)}", secrets.token_urlsafe(24)
        pod = self._pod()
        command = ["sh", "-c", RECOVER, helper]
        code, output, errors = self._kube.execute(
            self._exports["namespace"], pod, command, stdin=f"{word}\n", timeout=RECOVERY_SECONDS
        )
        if code != 0 or not _log_in(http, helper, word):
            raise failed(
                "its administrator has another password, and none could be made", (errors or output).strip()[-300:]
            )
        master = Session(http, "master")
        try:
            account = master.user(user)
            if account is None:
                made = {"username": user, "enabled": True}
                master.post("/users", made)
                account = master.user(user) or {}
                role = master.get("/roles/admin")
                master.post(f"/users/{account['id']}/role-mappings/realm", [role])
            master.put(f"/users/{account['id']}/reset-password", credential(password))
            if not _log_in(http, user, password):
                raise failed("its administrator could not be given the Secret's password", "the login is refused")
        finally:
            if found := master.user(helper):
                master.delete(f"/users/{found['id']}")

    def _pod(self) -> str:
        resource = self._kube.resource("v1", "Pod")
        pods = self._kube.list(resource, self._exports["selector"], self._exports["namespace"]) if resource else []
        for pod in pods:
            if readiness({"kind": "Pod", "apiVersion": "v1", **pod}).state is State.READY:
                return str(pod["metadata"]["name"])
        raise failed("no pod of it is ready", f"namespace {self._exports['namespace']}")


class Session:
    """Requests to one realm. Paths begin below ``/admin/realms/<realm>``. Errors: users.store-failed; Conflict for 409."""

    def __init__(self, http: httpx.Client, realm: str) -> None:
        self._http, self._base = http, f"/admin/realms/{realm}"

    def get(self, path: str, **query: str | int) -> Any:
        """A resource."""
        return self._send("GET", path, None, query).json()

    def post(self, path: str, body: Any) -> None:
        """Makes something. Raises Conflict when it is there."""
        self._send("POST", path, body)

    def put(self, path: str, body: Any = None) -> None:
        """Replaces something."""
        self._send("PUT", path, body)

    def delete(self, path: str) -> None:
        """Takes something away."""
        self._send("DELETE", path, None)

    def user(self, name: str) -> dict[str, Any] | None:
        """The user of exactly that name."""
        found = self.get("/users", username=name, exact="true")
        return dict(found[0]) if found else None

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, str | int] | None = None) -> httpx.Response:
        answer = self._http.request(method, self._base + path, json=body, params=dict(query or {}))
        if answer.status_code == 409:
            raise Conflict(f"{method} {path}")
        if answer.status_code >= 400:
            raise failed(f"{method} {path} was answered with {answer.status_code}", _said(answer))
        return answer


class Conflict(Exception):
    """What was to be made is there already."""


def credential(password: str) -> dict[str, Any]:
    """A password as the API takes it."""
    return {"type": "password", "value": password, "temporary": False}


def failed(what: str, why: str) -> MlstackError:
    """The error for a server that does not do what it is asked."""
    return MlstackError(
        "users.store-failed",
        f"the identity provider could not be asked: {what}",
        why=why,
        remedy="look at it with `mlstack status` and `mlstack logs`, then run the command again",
        exit_code=ExitCode.NOT_READY,
    )


def _log_in(http: httpx.Client, user: str, password: str) -> bool:
    """Takes a token of the administrator for all requests to come; False when name or password is wrong."""
    form = {"grant_type": "password", "client_id": "admin-cli", "username": user, "password": password}
    http.headers.pop("Authorization", None)
    answer = http.post("/realms/master/protocol/openid-connect/token", data=form)
    if answer.status_code in (400, 401):
        return False
    if answer.status_code != 200:
        raise failed(f"the administrator's login was answered with {answer.status_code}", _said(answer))
    http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return True


def _said(answer: httpx.Response) -> str:
    """The server's own words, shortened; it repeats no password."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(body.get("errorMessage") or body.get("error_description") or body.get("error") or body)[:200]
