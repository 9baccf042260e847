"""Kubeflow Pipelines over HTTP: starts runs and reads what they recorded, as the editors' account of a namespace.

Nothing but the gateway and this program can tell that server who asks. So whoever calls has made sure that the user may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from mlstack.core.model import Object
from mlstack.core.pipelinerequests import (
    EXPERIMENTS,
    RUNS,
    experiment_body,
    experiment_id,
    experiment_query,
    identity,
    record_path,
    refusal,
    run_body,
)

SECONDS = 30.0
"""How long one answer may take."""


class PipelinesError(Exception):
    """The server did not do what was asked. refused: it said no, and the message is its own; else it did not answer."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.refused = refused


class Pipelines(Protocol):
    """What runs pipelines. exports: where it is, as the offer has them. Everything raises PipelinesError."""

    async def submit(self, exports: Mapping[str, str], obj: Object) -> str:
        """Starts a run of a sample's filled-in object; gives the run's id."""
        ...

    async def record(self, exports: Mapping[str, str], namespace: str, run: str) -> Mapping[str, Any] | None:
        """What the run recorded; None when that is nothing."""
        ...


class PipelinesApi:
    """The ``Pipelines`` protocol. transport: what connects, for tests."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(transport=transport, timeout=SECONDS, trust_env=False, follow_redirects=False)

    async def submit(self, exports: Mapping[str, str], obj: Object) -> str:
        """As the protocol says."""
        namespace = obj["metadata"]["namespace"]
        found = experiment_id(await self._api(exports, namespace, "GET", experiment_query(exports, namespace)))
        if not found:
            made = await self._api(exports, namespace, "POST", EXPERIMENTS, experiment_body(exports, namespace))
            found = str(made["experiment_id"])
        answer = await self._api(exports, namespace, "POST", RUNS, run_body(exports, obj, found))
        return str(answer["run_id"])

    async def record(self, exports: Mapping[str, str], namespace: str, run: str) -> Mapping[str, Any] | None:
        """As the protocol says."""
        server = _address(exports, "lineageService", "lineagePort")
        status, answer = await self._ask(exports, namespace, "GET", server + record_path(namespace, run))
        return None if status == httpx.codes.NOT_FOUND else _checked(status, answer)

    async def _api(
        self, exports: Mapping[str, str], namespace: str, verb: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        server = _address(exports, "service", "port")
        return _checked(*await self._ask(exports, namespace, verb, server + path, body))

    async def _ask(
        self, exports: Mapping[str, str], namespace: str, verb: str, url: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        try:
            answer = await self._client.request(verb, url, json=body, headers=identity(exports, namespace))
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise PipelinesError(f"Kubeflow Pipelines does not answer ({type(error).__name__})") from error
        return answer.status_code, found if isinstance(found, dict) else {}


def _address(exports: Mapping[str, str], service: str, port: str) -> str:
    return f"http://{exports[service]}.{exports['namespace']}.svc.cluster.local:{exports[port]}"


def _checked(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    if status // 100 == 2:
        return answer
    raise PipelinesError(refusal(status, answer), refused=status // 100 == 4)
