"""Reads an object of any kind that a controller works on, as samples follow it: conditions, progress, results. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlstack.core.model import Object
from mlstack.core.samplefile import Follow
from mlstack.core.workflow import FlowStep

_STEP = re.compile(r"([^.\[\]]+)|\[([\w-]+)=([^\]]*)\]")
_PATH = re.compile(r"\w[\w-]*(?:\[[\w-]+=[^\]]*\]|\.[\w-]+)*")
_SLOT = re.compile(r"\{([^{}]*)\}")
_WANTED = re.compile(r"object:(.+)|log:([\w-]+)")


def look_up(obj: Any, path: str) -> Any:
    """What is at a path like ``status.metrics[name=accuracy].latest``, where ``[key=value]`` takes the first such entry of a
    list; None where there is nothing."""
    for key, wanted, value in _STEP.findall(path):
        if key:
            obj = obj.get(key) if isinstance(obj, Mapping) else None
        else:
            entries = obj if isinstance(obj, list) else []
            obj = next((each for each in entries if isinstance(each, Mapping) and str(each.get(wanted)) == value), None)
    return obj


def is_path(path: str) -> bool:
    """Whether ``look_up`` understands the path."""
    return bool(_PATH.fullmatch(path))


def resource_phase(obj: Object, follow: Follow) -> str:
    """``Succeeded`` or ``Failed`` by the conditions (or the field) that mean so, ``Running`` once the controller says anything."""
    if follow.state:
        state = look_up(obj, follow.state)
        ends = {follow.failed: "Failed", follow.succeeded: "Succeeded"}
        return ends.get(str(state), "Running") if state else "Pending"
    for end, phase in ((follow.failed, "Failed"), (follow.succeeded, "Succeeded")):
        if any(_means(one, end) for one in _conditions(obj)):
            return phase
    return "Running" if _conditions(obj) else "Pending"


def resource_message(obj: Object, follow: Follow) -> str:
    """Why it failed; else how far it is; else what the controller said last."""
    if follow.state:
        phase = resource_phase(obj, follow)
        if phase == "Failed":
            return str(look_up(obj, follow.reason) or "")
        return "" if phase == "Pending" else _progress(obj, follow)
    failed = [one for one in _conditions(obj) if _means(one, follow.failed)]
    if failed:
        return _said(failed[0])
    if follow.progress and _conditions(obj):
        return _progress(obj, follow)
    said = [one for one in _conditions(obj) if one.get("status") == "True"]
    return _said(said[-1]) if said else ""


def resource_ended(obj: Object, follow: Follow) -> str:
    """When the condition that means its end came true, as the API writes moments; empty before."""
    if follow.state:
        return str(look_up(obj, follow.ended) or "") if resource_phase(obj, follow) in ("Succeeded", "Failed") else ""
    ends = (one for one in _conditions(obj) if _means(one, follow.failed) or _means(one, follow.succeeded))
    return next((str(one.get("lastTransitionTime") or "") for one in ends), "")


def failed_part(pod: Object, follow: Follow) -> FlowStep | None:
    """What one of its pods that failed says, with the container that was the first to end badly; None of one that did not fail."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if status.get("phase") != "Failed":
        return None
    told = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    ended = [(one.get("name"), (one.get("state") or {}).get("terminated") or {}) for one in told]
    bad = sorted((one for one in ended if one[1].get("exitCode")), key=lambda one: str(one[1].get("finishedAt") or "~"))
    why = (
        f"container {bad[0][0]} ended with exit code {bad[0][1]['exitCode']}"
        if bad
        else str(status.get("reason") or "")
    )
    if bad and bad[0][1].get("reason") not in (None, "", "Error"):
        why = f"{why} ({bad[0][1]['reason']})"
    name = str(metadata.get("name") or "")
    return FlowStep(name, str((metadata.get("labels") or {}).get(follow.step) or name), "Failed", why, 0, 0.0)


def shown_line(line: str, follow: Follow) -> str | None:
    """What is shown of a line of its programs' log; None for nothing."""
    if not follow.lines:
        return line
    match = re.search(follow.lines, line)
    return match[1] if match else None


def is_resource_result(where: str) -> bool:
    """Whether a sample may name a result of a followed object like this."""
    match = _WANTED.fullmatch(where)
    return bool(match and (match[2] or is_path(match[1])))


def needs_log(wanted: Mapping[str, str]) -> bool:
    """Whether some of the results that a sample names are in what its programs print."""
    return any(where.startswith("log:") for where in wanted.values())


def resource_results(obj: Object, logs: Iterable[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Values for the results that a sample names; one that is not there is left out.

    logs: the lines that its programs wrote. wanted: result name -> ``object:<path>`` of the object, or ``log:<key>`` of the
    last line that is a JSON object with that key.
    """
    told: dict[str, Any] = {}
    for line in logs:
        told |= _record(line)
    found: dict[str, str] = {}
    for result, where in wanted.items():
        match = _WANTED.fullmatch(where)
        value = (look_up(obj, match[1]) if match[1] else told.get(match[2])) if match else None
        if value is not None:
            found[result] = value if isinstance(value, str) else json.dumps(value)
    return found


def _record(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _progress(obj: Object, follow: Follow) -> str:
    return _SLOT.sub(lambda slot: _counted(look_up(obj, slot[1])), follow.progress)


def _conditions(obj: Object) -> list[Mapping[str, Any]]:
    return [one for one in (obj.get("status") or {}).get("conditions") or [] if isinstance(one, Mapping)]


def _counted(value: Any) -> str:
    """What is not there is none yet."""
    return "0" if value is None else str(value)


def _means(condition: Mapping[str, Any], wanted: str) -> bool:
    """Whether it is the condition ``TYPE`` or ``TYPE=STATUS``."""
    kind, _, status = wanted.partition("=")
    return condition.get("type") == kind and condition.get("status") == (status or "True")


def _said(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message") or condition.get("reason") or "")
