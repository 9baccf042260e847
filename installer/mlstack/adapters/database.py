"""MySQL and MariaDB: databases and users, by SQL on the standard input of the client inside the server's pod.

Nothing listens outside the cluster for it, and no password is ever an argument of a process.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from mlstack.core.errors import MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.ports import Kube
from mlstack.core.readiness import State, readiness

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PASSWORD = re.compile(r"[A-Za-z0-9._~-]{16,128}")
CLIENTS = ("mysql", "mariadb")
SCRIPT = """read -r p && exec "$0" --defaults-extra-file=/dev/fd/3 --batch --skip-column-names --user=root "$@" 3<<end
[client]
password=$p
end
"""
"""``$0`` is the client. The first line of the standard input is the password, which it reads from a pipe; the rest is SQL."""


class PodDatabase:
    """``ports.Database`` over ``kube``. exports: what the providing stack exports under ``database``: namespace, workload
    (``Kind/name``, or the name of a StatefulSet or Deployment), container, client, secret, passwordField, and options
    for the client where its defaults do not fit (``--socket=...``)."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._exports = kube, exports

    def ensure_database(self, database: str) -> bool:
        """Makes the database if it is not there. Raises MlstackError database.*."""
        name = _checked(NAME, database, "database name")
        # The name was checked: it cannot leave its quotes.
        there = self._sql(f"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}';").strip()  # noqa: S608
        if there == "1":
            return False
        self._sql(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4;")
        return True

    def ensure_user(self, user: str, password: str, database: str) -> bool:
        """Makes the user with rights on this database only, or sets its password anew. Raises MlstackError database.*."""
        name, schema = _checked(NAME, user, "user name"), _checked(NAME, database, "database name")
        word = _checked(PASSWORD, password, "password")
        # An underscore is a wildcard in the database name of a GRANT.
        escaped = schema.replace("_", "\\_")
        self._sql(
            f"CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY '{word}';\n"
            f"ALTER USER '{name}'@'%' IDENTIFIED BY '{word}';\n"
            f"GRANT ALL PRIVILEGES ON `{escaped}`.* TO '{name}'@'%';"
        )
        return True

    def _sql(self, statements: str) -> str:
        client = self._exports.get("client", "")
        if client not in CLIENTS:
            raise _failed(
                "the providing stack exports no known client", f"client is '{client}', not one of {', '.join(CLIENTS)}"
            )
        namespace, pod = self._pod()
        code, output, errors = self._kube.execute(
            namespace,
            pod,
            ["sh", "-c", SCRIPT, client, *(self._exports.get("options") or "").split()],
            container=self._exports.get("container", ""),
            stdin=f"{self._password()}\n{statements}\n",
        )
        if code != 0:
            raise _failed(f"{client} ended with exit code {code}", _safe(errors))
        return output

    def _password(self) -> str:
        rid = ResourceId("Secret", self._exports.get("secret", ""), self._exports.get("namespace", ""))
        found = self._kube.get(rid)
        field = self._exports.get("passwordField", "password")
        value = ((found or {}).get("data") or {}).get(field)
        if value is None:
            raise _failed("the administrator's password is not there", f"{rid} has no key '{field}'")
        return base64.b64decode(value).decode()

    def _pod(self) -> tuple[str, str]:
        """A ready pod of the server."""
        namespace, workload = self._exports.get("namespace", ""), self._exports.get("workload", "")
        selector = self._selector(namespace, workload)
        resource = self._kube.resource("v1", "Pod")
        pods: list[Object] = self._kube.list(resource, selector, namespace) if resource and selector else []
        for pod in pods:
            if readiness({"kind": "Pod", "apiVersion": "v1", **pod}).state is State.READY:
                return namespace, str(pod["metadata"]["name"])
        raise _failed("no pod of the server is ready", f"{namespace}/{workload}")

    def _selector(self, namespace: str, workload: str) -> str:
        kind, _, name = workload.rpartition("/")
        for candidate in (kind,) if kind else ("StatefulSet", "Deployment"):
            found = self._kube.get(ResourceId(candidate, name, namespace, "apps/v1"))
            if found is not None:
                labels: Mapping[str, str] = found["spec"]["selector"].get("matchLabels") or {}
                return ",".join(f"{key}={value}" for key, value in labels.items())
        return ""


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    """The value, safe inside SQL quotes. A password that does not fit is not repeated."""
    if not pattern.fullmatch(value):
        shown = "" if what == "password" else f" '{value}'"
        raise _failed(f"the {what}{shown} is not allowed", f"it has to match {pattern.pattern}")
    return value


def _safe(errors: str) -> str:
    """The client's error lines up to their first quote: what follows may repeat a statement with a password."""
    lines = [line for line in errors.splitlines() if line.startswith("ERROR")] or errors.splitlines()[-1:]
    return " ".join(line.partition("'")[0].strip() for line in lines)[:400]


def _failed(what: str, why: str) -> MlstackError:
    return MlstackError(
        "database.failed",
        f"The database could not be prepared: {what}",
        why=why,
        remedy="Check the database server (`mlstack status`, `mlstack logs mysql`), then run `mlstack up` again.",
    )
