"""The kinds of samples: a workflow, an object of any other kind, and a pipeline run, which a server makes a workflow of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.pipelinerun import LABEL_RUN, StepLines, run_results, run_steps
from mlstack.core.ports import Kube
from mlstack.core.resourcerun import resource_message, resource_phase, resource_results, shown_line
from mlstack.core.samplefile import Follow
from mlstack.core.samplekind import Started
from mlstack.core.workflow import (
    LABEL_WORKFLOW,
    MAIN_CONTAINER,
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
        return _started(self._kube, obj, LABEL_WORKFLOW + "={name}", MAIN_CONTAINER)

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

    def lines(self) -> Callable[[str], str | None]:
        """All but what the engine's executor says about itself."""
        return lambda line: None if is_executor_line(line) else line

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Outputs of the workflow's steps."""
        del run  # the workflow holds them itself
        return results_of(obj, wanted)


class ResourceKind:
    """Samples whose object is of any kind, worked on by its own controller."""

    def __init__(self, kube: Kube, follow: Follow) -> None:
        self._kube, self._follow = kube, follow

    def start(self, obj: Object) -> Started:
        """Creates the object."""
        return _started(self._kube, obj, self._follow.pods, self._follow.container)

    def phase(self, obj: Object) -> str:
        """By its conditions."""
        return resource_phase(obj, self._follow)

    def finished(self, obj: Object) -> bool:
        """Once a condition says so."""
        return self.phase(obj) in ("Succeeded", "Failed")

    def message(self, obj: Object) -> str:
        """Why it failed; nothing else is worth a word at the end."""
        return resource_message(obj, self._follow) if self.phase(obj) == "Failed" else ""

    def steps(self, obj: Object) -> list[FlowStep]:
        """The object itself, which says how far it is."""
        name = str((obj.get("metadata") or {}).get("name") or "")
        return [FlowStep(name, name, self.phase(obj), resource_message(obj, self._follow), 0, 0.0)] if name else []

    def lines(self) -> Callable[[str], str | None]:
        """As the sample says; else all of them."""
        return partial(shown_line, follow=self._follow)

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """From the object, and from what its programs printed."""
        lines = self._log(run) if any(where.startswith("log:") for where in wanted.values()) else ()
        return resource_results(obj, lines, wanted), {}

    def _log(self, run: Started) -> list[str]:
        pods = self._kube.resource("v1", "Pod")
        assert pods is not None, "every cluster serves pods"  # noqa: S101
        lines: list[str] = []
        for pod in self._kube.list(pods, namespace=run.namespace, selector=run.pods):
            lines += self._kube.logs(run.namespace, pod["metadata"]["name"], run.container)
        return lines


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

    def lines(self) -> Callable[[str], str | None]:
        """Also without the notes of drivers and launchers."""
        kept = StepLines()
        return lambda line: line if kept.wants(line) else None

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What the run recorded."""
        del obj  # the workflow knows nothing of artifacts
        return run_results(self._server.record(run.namespace, run.name), wanted)


def _started(kube: Kube, obj: Object, pods: str, container: str) -> Started:
    """Makes the object, which is to be watched by its name. pods: selector of its pods, in which ``{name}`` stands for that."""
    check_served(kube, obj["apiVersion"], obj["kind"])
    made = _created(kube, obj)
    name = made["metadata"]["name"]
    return Started(
        name,
        made["metadata"]["namespace"],
        made["apiVersion"],
        made["kind"],
        fields=f"metadata.name={name}",
        pods=pods.replace("{name}", name),
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
