"""The API of Kubeflow Pipelines through forwarded ports: starts runs and reads what they recorded, with a namespace's own rights.

It is reached through the Kubernetes API server, so that whoever may forward ports of the platform's namespace may do this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.ports import Kube

SECONDS = 60.0
EXPERIMENT = "samples"
"""What runs of samples are listed below."""
_ABSENT = ("kube.no-backend",)


class PipelinesApi:
    """One server. exports: of capability ``pipelines``; editor is the account of a namespace whose rights are used."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._exports = kube, exports

    def submit(self, namespace: str, name: str, pipeline: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
        """Starts a run of the pipeline; gives its id. Raises MlstackError pipelines.refused, pipelines.not-ready."""
        body = {
            "display_name": name,
            "experiment_id": self._experiment(namespace),
            "pipeline_spec": dict(pipeline),
            "runtime_config": {"parameters": dict(parameters)},
            "service_account": self._exports["serviceAccount"],
        }
        return str(self._api(namespace, "POST", "runs", body)["run_id"])

    def record(self, namespace: str, run: str) -> Mapping[str, Any] | None:
        """What the run recorded; None when that is nothing. Raises MlstackError as ``submit``."""
        path = f"/lineage/{quote(namespace, safe='')}/runs/{quote(run, safe='')}"
        status, answer = self._ask(namespace, "lineageService", "lineagePort", "GET", path)
        if status == 404:
            return None
        return _checked(status, answer)

    def _experiment(self, namespace: str) -> str:
        """The experiment's id; it is made where it is not there."""
        space = namespace if self._exports["userHeader"] else ""  # without users there are no namespaces either
        same = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": EXPERIMENT}]}
        query = f"experiments?page_size=1&namespace={quote(space)}&filter={quote(json.dumps(same))}"
        found = self._api(namespace, "GET", query).get("experiments") or []
        if not found:
            found = [self._api(namespace, "POST", "experiments", {"display_name": EXPERIMENT, "namespace": space})]
        return str(found[0]["experiment_id"])

    def _api(self, namespace: str, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        return _checked(*self._ask(namespace, "service", "port", verb, f"/apis/v2beta1/{path}", body))

    def _ask(
        self, namespace: str, service: str, port: str, verb: str, path: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        """(status, answer) of one request. Raises MlstackError pipelines.not-ready."""
        import httpx

        exports = self._exports
        header = exports["userHeader"]
        headers = {header: f"system:serviceaccount:{namespace}:{exports['editor']}"} if header else {}
        try:
            with self._kube.forward(exports["namespace"], exports[service], int(exports[port])) as local:
                answer = httpx.request(
                    verb,
                    f"http://127.0.0.1:{local}{path}",
                    json=body,
                    headers=headers,
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
    # the server's errors repeat themselves from call to call; what was wrong is at the end
    why = str(answer.get("message") or answer.get("error") or f"status {status}")
    raise MlstackError(
        "pipelines.refused",
        "Kubeflow Pipelines refused the run",
        why=why[-400:],
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
