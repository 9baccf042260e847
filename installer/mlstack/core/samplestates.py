"""How the state of each kind of sample is read: a workflow, an object that its own controller works on, a pipeline's run. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mlstack.core.model import Object
from mlstack.core.pipelinerun import LABEL_RUN, StepLines, run_steps
from mlstack.core.resourcerun import resource_ended, resource_message, resource_phase, shown_line
from mlstack.core.samplefile import Follow
from mlstack.core.workflow import (
    LABEL_WORKFLOW,
    MAIN_CONTAINER,
    FlowStep,
    finished,
    is_executor_line,
    phase_of,
    steps_of,
)


class WorkflowState:
    """The state of a workflow."""

    def pods(self, name: str) -> tuple[str, str]:
        """By the label that the engine gives them."""
        return f"{LABEL_WORKFLOW}={name}", MAIN_CONTAINER

    def phase(self, obj: Object) -> str:
        """As the workflow says."""
        return phase_of(obj)

    def finished(self, obj: Object) -> bool:
        """Once the controller wrote the end."""
        return finished(obj)

    def message(self, obj: Object) -> str:
        """As the workflow says."""
        return str(obj.get("status", {}).get("message") or "")

    def times(self, obj: Object) -> tuple[str, str]:
        """As the workflow says."""
        status = obj.get("status") or {}
        return str(status.get("startedAt") or ""), str(status.get("finishedAt") or "")

    def steps(self, obj: Object) -> list[FlowStep]:
        """As the workflow says."""
        return steps_of(obj)

    def lines(self) -> Callable[[str], str | None]:
        """All but what the engine's executor says about itself."""
        return lambda line: None if is_executor_line(line) else line


class PipelineState(WorkflowState):
    """The state of the workflow that a pipeline's run became."""

    def steps(self, obj: Object) -> list[FlowStep]:
        """The pipeline's own steps."""
        return run_steps(obj)

    def lines(self) -> Callable[[str], str | None]:
        """Also without the notes of drivers and launchers."""
        kept = StepLines()
        return lambda line: line if kept.wants(line) else None


class ResourceState:
    """The state of an object of any kind. follow: how its sample says that it is read."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow

    def pods(self, name: str) -> tuple[str, str]:
        """As the sample says."""
        return self._follow.pods.replace("{name}", name), self._follow.container

    def phase(self, obj: Object) -> str:
        """By its conditions."""
        return resource_phase(obj, self._follow)

    def finished(self, obj: Object) -> bool:
        """Once a condition says so."""
        return self.phase(obj) in ("Succeeded", "Failed")

    def message(self, obj: Object) -> str:
        """Why it failed; nothing else is worth a word at the end."""
        return resource_message(obj, self._follow) if self.phase(obj) == "Failed" else ""

    def times(self, obj: Object) -> tuple[str, str]:
        """From when it was made to the condition that means its end."""
        return str((obj.get("metadata") or {}).get("creationTimestamp") or ""), resource_ended(obj, self._follow)

    def steps(self, obj: Object) -> list[FlowStep]:
        """The object itself, which says how far it is."""
        name = str((obj.get("metadata") or {}).get("name") or "")
        return [FlowStep(name, name, self.phase(obj), resource_message(obj, self._follow), 0, 0.0)] if name else []

    def lines(self) -> Callable[[str], str | None]:
        """As the sample says; else all of them."""
        return partial(shown_line, follow=self._follow)


def is_pipeline(obj: Object) -> bool:
    """Whether a workflow is what a pipeline's run became."""
    return LABEL_RUN in ((obj.get("metadata") or {}).get("labels") or {})
