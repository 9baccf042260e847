"""The API of Kubeflow Pipelines through forwarded ports: starts runs and reads what they recorded, with a namespace's own rights.

It is reached through the Kubernetes API server, so that whoever may forward ports of the platform's namespace may do this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError
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
from mlstack.core.ports import Kube

SECONDS = 60.0
_ABSENT = ("kube.no-backend",)


class PipelinesApi:
    """One server. exports: of capability ``pipelines``; editor is the account of a namespace whose rights are used."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._exports = kube, exports

    def submit(self, obj: Object) -> str:
        """Starts a run of a sample's filled-in object; gives its id. Raises MlstackError pipelines.refused, pipelines.not-ready."""
        namespace = obj["metadata"]["namespace"]
        body = run_body(self._exports, obj, self._experiment(namespace))
        return str(self._api(namespace, "POST", RUNS, body)["run_id"])

    def record(self, namespace: str, run: str) -> Mapping[str, Any] | None:
        """What the run recorded; None when that is nothing. Raises MlstackError as ``submit``."""
        path = record_path(namespace, run)
        status, answer = self._ask(namespace, "lineageService", "lineagePort", "GET", path)
        if status == 404:
            return None
        return _checked(status, answer)

    def _experiment(self, namespace: str) -> str:
        """The experiment's id; it is made where it is not there."""
        found = experiment_id(self._api(namespace, "GET", experiment_query(self._exports, namespace)))
        if found:
            return found
        body = experiment_body(self._exports, namespace)
        return str(self._api(namespace, "POST", EXPERIMENTS, body)["experiment_id"])

    def _api(self, namespace: str, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        return _checked(*self._ask(namespace, "service", "port", verb, path, body))

    def _ask(
        self, namespace: str, service: str, port: str, verb: str, path: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        """(status, answer) of one request. Raises MlstackError pipelines.not-ready."""
        import httpx

        exports = self._exports
        try:
            with self._kube.forward(exports["namespace"], exports[service], int(exports[port])) as local:
                answer = httpx.request(
                    verb,
                    f"http://127.0.0.1:{local}{path}",
                    json=body,
                    headers=identity(exports, namespace),
                    timeout=SECONDS,
                    trust_env=False,
                )
                found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _not_ready(f"{type(error).__name__}: {error}") from error
        except MlstackError as error:
            if error.code not in _ABSENT:
                raise
            raise _not_ready(error.what) from error
        return answer.status_code, found if isinstance(found, dict) else {}


def _checked(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of a request that was served. Raises MlstackError pipelines.refused."""
    if status // 100 == 2:
        return answer
    raise MlstackError(
        "pipelines.refused",
        "Kubeflow Pipelines refused the run",
        why=refusal(status, answer),
        remedy="correct what it names; `mlstack logs kubeflow-pipelines` says more",
    )


def _not_ready(why: str) -> MlstackError:
    return MlstackError(
        "pipelines.not-ready",
        "Kubeflow Pipelines does not answer",
        why=why,
        remedy="look at `mlstack status`; run `mlstack up` when it is not installed",
        exit_code=ExitCode.NOT_READY,
    )
