"""The kinds of samples: a workflow, which is an object of the cluster, and a pipeline run, which a server makes one of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.pipelinerun import LABEL_RUN, StepLines, run_results, run_steps
from mlstack.core.ports import Kube
from mlstack.core.samplekind import Started
from mlstack.core.workflow import (
    LABEL_WORKFLOW,
    FlowStep,
    finished,
    is_executor_line,
    phase_of,
    results_of,
    steps_of,
)

WORKFLOW = ("argoproj.io/v1alpha1", "Workflow")


class WorkflowKind:
    """Samples whose object is a workflow."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def start(self, obj: Object) -> Started:
        """Creates the workflow."""
        check_served(self._kube, obj["apiVersion"], obj["kind"])
        flow = self._kube.create(obj)
        name, namespace = flow["metadata"]["name"], flow["metadata"]["namespace"]
        return Started(
            name,
            namespace,
            flow["apiVersion"],
            flow["kind"],
            fields=f"metadata.name={name}",
            pods=f"{LABEL_WORKFLOW}={name}",
            object=flow,
        )

    def phase(self, obj: Object) -> str:
        """As the workflow says."""
        return phase_of(obj)

    def finished(self, obj: Object) -> bool:
        """Once the controller wrote the end."""
        return finished(obj)

    def message(self, obj: Object) -> str:
        """As the workflow says."""
        return str(obj.get("status", {}).get("message") or "")

    def steps(self, obj: Object) -> list[FlowStep]:
        """As the workflow says."""
        return steps_of(obj)

    def lines(self) -> Callable[[str], bool]:
        """All but what the engine's executor says about itself."""
        return lambda line: not is_executor_line(line)

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Outputs of the workflow's steps."""
        del run  # the workflow holds them itself
        return results_of(obj, wanted)


class PipelineServer(Protocol):
    """What runs pipelines. Errors: MlstackError pipelines.*"""

    def submit(self, namespace: str, name: str, pipeline: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
        """Starts a run; gives its id."""
        ...

    def record(self, namespace: str, run: str) -> Mapping[str, Any] | None:
        """What the run recorded so far."""
        ...


class PipelineKind(WorkflowKind):
    """Samples whose object is a pipeline: ``spec.pipeline`` in KFP's intermediate form and ``spec.parameters``. The run is
    followed as the workflow that the server makes of it."""

    def __init__(self, kube: Kube, server: PipelineServer) -> None:
        super().__init__(kube)
        self._server = server

    def start(self, obj: Object) -> Started:
        """Hands the pipeline to the server."""
        check_served(self._kube, *WORKFLOW)
        metadata, spec = obj["metadata"], obj["spec"]
        name = metadata.get("name") or f"{metadata['generateName']}{secrets.token_hex(3)}"
        run = self._server.submit(metadata["namespace"], name, spec["pipeline"], spec.get("parameters") or {})
        selector = f"{LABEL_RUN}={run}"
        return Started(run, metadata["namespace"], *WORKFLOW, selector=selector, pods=selector)

    def steps(self, obj: Object) -> list[FlowStep]:
        """The pipeline's own steps."""
        return run_steps(obj)

    def lines(self) -> Callable[[str], bool]:
        """Also without the notes of drivers and launchers."""
        return StepLines().wants

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What the run recorded."""
        del obj  # the workflow knows nothing of artifacts
        return run_results(self._server.record(run.namespace, run.name), wanted)


def check_served(kube: Kube, api_version: str, kind: str) -> None:
    """Raises MlstackError sample.not-served where the cluster has no such objects."""
    if kube.resource(api_version, kind) is None:
        raise MlstackError(
            "sample.not-served",
            f"the sample needs {kind} objects, which the cluster does not serve",
            remedy="bring the platform up first: mlstack up",
            exit_code=ExitCode.NOT_READY,
        )
