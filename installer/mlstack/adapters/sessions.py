"""The sessions of people who are logged in, by what a login's exports name (``sessions``): Redis, reached inside its own pod.

Sessions are encrypted with what only the browser holds, so nobody can tell whose one is: all end together.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.model import Object, ResourceId
from mlstack.core.people import LOGIN
from mlstack.core.ports import Kube
from mlstack.core.serviceports import Sessions


class RedisSessions:
    """``ports.Sessions``. exports, of ``login``: sessionsNamespace, sessionsWorkload (a Deployment), sessionsSecret and
    sessionsField."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._exports = kube, exports
        self._namespace = exports.get("sessionsNamespace", "")

    def end_all(self) -> bool:
        """Ends every session; False when no store runs: then there are none. Raises MlstackError sessions.failed."""
        ended = False
        for pod in self._pods():
            name = str(pod["metadata"]["name"])
            # the password goes by standard input: a command line can be read by everybody on the node
            script = f"AUTH {self._password()}\nFLUSHALL\n"
            code, output, errors = self._kube.execute(self._namespace, name, ["redis-cli"], stdin=script)
            if code != 0 or output.split() != ["OK", "OK"]:
                raise MlstackError(
                    "sessions.failed",
                    "the sessions of who is logged in could not be ended",
                    why=f"{self._namespace}/{name} answered {(errors or output).strip()[:200] or f'exit code {code}'}",
                    remedy=f"run `kubectl -n {self._namespace} rollout restart deployment {self._workload}`, which ends them all",
                )
            ended = True
        return ended

    @property
    def _workload(self) -> str:
        return self._exports.get("sessionsWorkload", "")

    def _pods(self) -> list[Object]:
        found = self._kube.get(ResourceId("Deployment", self._workload, self._namespace, "apps/v1"))
        resource = self._kube.resource("v1", "Pod")
        if found is None or resource is None:
            return []
        labels = found["spec"]["selector"]["matchLabels"]
        pods = self._kube.list(resource, ",".join(f"{key}={value}" for key, value in labels.items()), self._namespace)
        return [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]

    def _password(self) -> str:
        rid = ResourceId("Secret", self._exports.get("sessionsSecret", ""), self._namespace)
        data = (self._kube.get(rid) or {}).get("data") or {}
        return base64.b64decode(data.get(self._exports.get("sessionsField", ""), "")).decode()


STORES: Mapping[str, Callable[[Kube, Mapping[str, str]], Sessions]] = {"redis": RedisSessions}


def open_sessions(kube: Kube, exports: Mapping[str, str]) -> Sessions:
    """The store that a login's exports describe. Raises MlstackError sessions.unknown-store."""
    kind = exports.get("sessions", "")
    if kind not in STORES:
        raise MlstackError(
            "sessions.unknown-store",
            f"sessions are kept in '{kind}', which mlstack does not know",
            remedy=f"correct exports.{LOGIN}.sessions of the providing stack: {did_you_mean(kind, list(STORES))}",
        )
    return STORES[kind](kube, exports)
