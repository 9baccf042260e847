"""Reads a run of Kubeflow Pipelines: its steps out of the workflow that it became, its results out of what it recorded. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlstack.core.model import Object
from mlstack.core.workflow import FlowStep, is_executor_line, steps_of

LABEL_RUN = "pipeline/runid"
"""Label of a run's workflow and of its pods: the run's id."""
ANNOTATION_NAME = "pipelines.kubeflow.org/run_name"
"""Annotation of a run's workflow: the run's name."""
CACHED = "taken over from an earlier run with the same inputs"
NOT_TAKEN = "its condition does not hold"
_DRIVER, _EXECUTOR = "-driver", "executor"
_ATTEMPT = re.compile(r"\(\d+(:[^)]*)?\)$")
_PLACE = re.compile(r"(?:minio|s3)://(.+)")
_NOTE = re.compile(r"[IW]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.]+:\d+\]")
_WANTED = re.compile(r"(parameter|metric|artifact):([\w.-]+)/([\w-]+)(?:\.([\w-]+))?|count:cached")


class StepLines:
    """Tells in the log of one pod the lines of a step's own program from the notes that its launcher and driver write about
    themselves (glog's form; values follow as JSON over several lines). What they call errors counts as worth reading."""

    def __init__(self) -> None:
        self._until = ""

    def wants(self, line: str) -> bool:
        """Whether a user wants to read the line. Lines are to be asked in their order."""
        if self._until:
            if line == self._until or self._until == "*":
                self._until = ""
            return False
        if _NOTE.match(line) is None:
            return not is_executor_line(line)
        # a value begins at the line's end: an object, which ends with its brace in the first column, or one line
        self._until = "}" if line.endswith("{") else "*" if line.endswith("=") else ""
        return False


def run_steps(flow: Object) -> list[FlowStep]:
    """The steps as the pipeline's author named them. What prepares a step (its driver) is shown only where it failed."""
    nodes = flow.get("status", {}).get("nodes") or {}
    found = []
    for step in steps_of(flow):
        path = [_ATTEMPT.sub("", part) for part in str(nodes[step.id].get("name") or step.name).split(".")]
        last = path[-1]
        if last.endswith(_DRIVER):
            if step.phase in ("Failed", "Error"):
                found.append(replace(step, name=f"{last.removesuffix(_DRIVER)} (driver)"))
        elif last == _EXECUTOR and len(path) > 1:
            message = CACHED if step.phase == "Skipped" else step.message
            found.append(replace(step, name=path[-2], message=message))
        else:
            found.append(replace(step, name=last, message=NOT_TAKEN if step.phase == "Skipped" else step.message))
    return found


def is_result(where: str) -> bool:
    """Whether a sample may name a result like this."""
    return bool(_WANTED.fullmatch(where))


def run_results(record: Mapping[str, Any] | None, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(values, artifact places) for the results a sample names; one that the run did not make is left out.

    record: what the platform tells of the run (``lineage``). wanted: result name -> ``parameter:<step>/<name>``,
    ``metric:<step>/<artifact>.<key>`` (of its metadata), ``artifact:<step>/<name>`` or ``count:cached``, the number of steps
    that were taken over. Of steps of the same name, as in a loop, the last one counts.
    """
    steps = list((record or {}).get("steps") or [])
    by_name = {str(step.get("name")): step for step in steps}
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for result, where in wanted.items():
        match = _WANTED.fullmatch(where)
        if match is None or not steps:
            continue
        kind, step, name, key = match.groups()
        if kind is None:
            values[result] = str(sum(1 for one in steps if one.get("cached")))
            continue
        made = by_name.get(step, {})
        artifact = (made.get("outputs") or {}).get(name) or {}
        if kind == "artifact":
            place = _PLACE.fullmatch(str(artifact.get("uri") or ""))
            places |= {result: f"s3://{place[1]}"} if place else {}
        else:
            value = (
                (made.get("results") or {}).get(name)
                if kind == "parameter"
                else (artifact.get("metadata") or {}).get(key)
            )
            values |= {result: _text(value)} if value is not None else {}
    return values, places


def _text(value: Any) -> str:
    """As its author would write it: whole numbers without the fraction that JSON's only kind of number gives them."""
    if isinstance(value, list):
        return json.dumps([_whole(each) for each in value])
    return str(_whole(value))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
