"""Reads an object of any kind that a controller works on, as samples follow it: conditions, progress, results. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlstack.core.model import Object
from mlstack.core.pending import first_bad_end
from mlstack.core.samplefile import Follow
from mlstack.core.workflow import FlowStep

_STEP = re.compile(r"([^.\[\]]+)|\[([\w-]+)=([^\]]*)\]")
_PATH = re.compile(r"\w[\w-]*(?:\[[\w-]+=[^\]]*\]|\.[\w-]+)*")
_SLOT = re.compile(r"\{([^{}]*)\}")
_WANTED = re.compile(r"object:(.+)|log:([\w-]+)")


@dataclass(frozen=True, slots=True)
class _End:
    """phase: ``Succeeded`` or ``Failed``; moment: as the API writes it, empty where it does not say."""

    phase: str
    why: str
    moment: str


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
    if end := _end(obj, follow):
        return end.phase
    return "Running" if _begun(obj, follow) else "Pending"


def resource_message(obj: Object, follow: Follow) -> str:
    """Why it failed; else how far it is; else what the controller said last."""
    if (end := _end(obj, follow)) and end.phase == "Failed":
        return end.why
    if not _begun(obj, follow):
        return ""
    if follow.progress or follow.state:
        return _SLOT.sub(lambda slot: _counted(look_up(obj, slot[1])), follow.progress)
    said = [one for one in _conditions(obj) if one.get("status") == "True"]
    return _said(said[-1]) if said else ""


def resource_ended(obj: Object, follow: Follow) -> str:
    """When the condition that means its end came true, as the API writes moments; empty before."""
    end = _end(obj, follow)
    return end.moment if end else ""


def failed_part(pod: Object, follow: Follow) -> FlowStep | None:
    """What one of its pods that failed says, with the container that was the first to end badly; None of one that did not fail."""
    if not _fails(pod):
        return None
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    why = first_bad_end(pod) or str(status.get("reason") or "")
    name = str(metadata.get("name") or "")
    return FlowStep(name, str((metadata.get("labels") or {}).get(follow.step) or name), "Failed", why, 0, 0.0)


def _fails(pod: Object) -> bool:
    """Whether it failed, or will because one of its containers did: the phase is told some moments after the container's end,
    and a controller that looks at containers ends its object between the two."""
    status = pod.get("status") or {}
    if status.get("phase") == "Running" and (pod.get("spec") or {}).get("restartPolicy") == "Never":
        return any(look_up(one, "state.terminated.exitCode") for one in status.get("containerStatuses") or ())
    return status.get("phase") == "Failed"


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


def _end(obj: Object, follow: Follow) -> _End | None:
    """How it ended, as its conditions tell or the field of its state; None as long as it goes on."""
    ends = {follow.failed: "Failed", follow.succeeded: "Succeeded"}
    if follow.state:
        phase = ends.get(str(look_up(obj, follow.state) or ""))
        told = (str(look_up(obj, path) or "") for path in (follow.reason, follow.ended))
        return _End(phase, *told) if phase else None
    for wanted, phase in ends.items():
        for one in _conditions(obj):
            if _means(one, wanted):
                return _End(phase, _said(one), str(one.get("lastTransitionTime") or ""))
    return None


def _begun(obj: Object, follow: Follow) -> bool:
    """Whether its controller has said anything of it."""
    return bool(look_up(obj, follow.state) if follow.state else _conditions(obj))


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
