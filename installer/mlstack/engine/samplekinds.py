"""The kinds of samples: a workflow, an object of any other kind, and a pipeline run, which a server makes a workflow of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.pipelinerun import LABEL_RUN, run_results
from mlstack.core.ports import Kube
from mlstack.core.resourcerun import failed_part, needs_log, resource_results
from mlstack.core.samplefile import Follow
from mlstack.core.samplekind import SampleState, Started
from mlstack.core.samplestates import PipelineState, ResourceState, WorkflowState
from mlstack.core.workflow import FlowStep, results_of

WORKFLOW = ("argoproj.io/v1alpha1", "Workflow")


class _Told:
    """What a workflow's own steps say is all."""

    def failures(self, run: Started) -> list[FlowStep]:
        """None beyond them."""
        del run
        return []


class WorkflowKind(_Told, WorkflowState):
    """Samples whose object is a workflow."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def start(self, obj: Object) -> Started:
        """Creates the workflow."""
        return _started(self._kube, obj, self)

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Outputs of the workflow's steps."""
        del run  # the workflow holds them itself
        return results_of(obj, wanted)


class ResourceKind(ResourceState):
    """Samples whose object is of any kind, worked on by its own controller."""

    def __init__(self, kube: Kube, follow: Follow) -> None:
        super().__init__(follow)
        self._kube = kube

    def start(self, obj: Object) -> Started:
        """Creates the object."""
        return _started(self._kube, obj, self)

    def failures(self, run: Started) -> list[FlowStep]:
        """Its pods that failed, while they are there."""
        found = (failed_part(pod, self._follow) for pod in self._pods(run))
        return [one for one in found if one]

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """From the object, and from what its programs printed."""
        lines = self._log(run) if needs_log(wanted) else ()
        return resource_results(obj, lines, wanted), {}

    def _log(self, run: Started) -> list[str]:
        lines: list[str] = []
        for pod in self._pods(run):
            lines += self._kube.logs(run.namespace, pod["metadata"]["name"], run.container)
        return lines

    def _pods(self, run: Started) -> list[Object]:
        pods = self._kube.resource("v1", "Pod")
        assert pods is not None, "every cluster serves pods"  # noqa: S101
        return self._kube.list(pods, namespace=run.namespace, selector=run.pods)


class PipelineServer(Protocol):
    """What runs pipelines. Errors: MlstackError pipelines.*"""

    def submit(self, obj: Object) -> str:
        """Starts a run of a sample's filled-in object; gives the run's id."""
        ...

    def record(self, namespace: str, run: str) -> Mapping[str, Any] | None:
        """What the run recorded so far."""
        ...


class PipelineKind(_Told, PipelineState):
    """Samples whose object is a pipeline: ``spec.pipeline`` in KFP's intermediate form and ``spec.parameters``. The run is
    followed as the workflow that the server makes of it."""

    def __init__(self, kube: Kube, server: PipelineServer) -> None:
        self._kube = kube
        self._server = server

    def start(self, obj: Object) -> Started:
        """Hands the pipeline to the server."""
        check_served(self._kube, *WORKFLOW)
        run = self._server.submit(obj)
        selector = f"{LABEL_RUN}={run}"
        return Started(run, obj["metadata"]["namespace"], *WORKFLOW, selector=selector, pods=selector)

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What the run recorded."""
        del obj  # the workflow knows nothing of artifacts
        return run_results(self._server.record(run.namespace, run.name), wanted)


def _started(kube: Kube, obj: Object, state: SampleState) -> Started:
    """Makes the object, which is to be watched by its name."""
    check_served(kube, obj["apiVersion"], obj["kind"])
    made = _created(kube, obj)
    name = made["metadata"]["name"]
    pods, container = state.pods(name)
    return Started(
        name,
        made["metadata"]["namespace"],
        made["apiVersion"],
        made["kind"],
        fields=f"metadata.name={name}",
        pods=pods,
        container=container,
        object=made,
    )


def _created(kube: Kube, obj: Object) -> Object:
    """Makes the object. Raises MlstackError sample.refused for one that its controller's rules do not let in."""
    try:
        return kube.create(obj)
    except MlstackError as error:
        if error.code != "kube.invalid":
            raise
        raise MlstackError(
            "sample.refused",
            f"the cluster refused the {obj['kind']}",
            why=error.why,
            remedy="run it with other parameters; `mlstack run --list` says which there are",
            exit_code=ExitCode.USAGE,
        ) from error


def check_served(kube: Kube, api_version: str, kind: str) -> None:
    """Raises MlstackError sample.not-served where the cluster has no such objects."""
    if kube.resource(api_version, kind) is None:
        raise MlstackError(
            "sample.not-served",
            f"the sample needs {kind} objects, which the cluster does not serve",
            remedy="bring the platform up first: mlstack up",
            exit_code=ExitCode.NOT_READY,
        )
