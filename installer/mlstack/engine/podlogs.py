"""The last lines of the log of whichever pod holds a wait up."""

from __future__ import annotations

from collections.abc import Sequence

from mlstack.core.errors import MlstackError
from mlstack.core.model import Object
from mlstack.core.pending import crashed
from mlstack.core.ports import Kube
from mlstack.core.readiness import State, readiness

LINES = 15


def last_lines(kube: Kube, pods: Sequence[Object]) -> list[str]:
    """The log's end of the first pod that is not ready, under a heading; empty when there is none or no log yet."""
    for pod in pods:
        if readiness({"kind": "Pod", "apiVersion": "v1", **pod}).state is State.READY:
            continue
        namespace, name, container = pod["metadata"].get("namespace", ""), pod["metadata"]["name"], crashed(pod)
        for previous in (False, True) if container else (False,):
            lines = _read(kube, namespace, name, container, previous)
            if lines:
                return [f"last lines of {namespace}/{name}" + (f" ({container})" if container else "") + ":", *lines]
    return []


def _read(kube: Kube, namespace: str, name: str, container: str, previous: bool) -> list[str]:
    try:
        return [line[:300] for line in kube.logs(namespace, name, container, tail=LINES, previous=previous)][-LINES:]
    except MlstackError:
        return []
