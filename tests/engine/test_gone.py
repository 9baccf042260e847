"""What is deleted is waited for; the controller of namespaces is reminded of those that wait for a pod's long farewell."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.ports import ApiResource
from mlstack.engine import gone
from mlstack.engine.gone import wait_gone

SPACE, ROLE = ResourceId("Namespace", "ann"), ResourceId("Role", "reads", "ann", "rbac.authorization.k8s.io/v1")


class Cluster:
    """Objects go once they have been changed so often, or looked at so often."""

    def __init__(self, changes: int = 0, looks: int = 0, refuses: bool = False) -> None:
        self.changes, self.looks, self.refuses = changes, looks, refuses
        self.patched: list[tuple[ResourceId, list[str]]] = []

    def resource(self, api_version: str, kind: str) -> ApiResource:
        return ApiResource(api_version, kind, kind.lower() + "s", kind != "Namespace")

    def get(self, rid: ResourceId) -> dict[str, Any] | None:
        self.looks -= 1
        waits = len(self.patched) < self.changes or self.looks >= 0
        return {"metadata": {"name": rid.name, "uid": "1", "finalizers": ["x/y"]}} if waits else None

    def patch(self, rid: ResourceId, patch: dict[str, Any]) -> dict[str, Any]:
        self.patched.append((rid, list(patch["metadata"]["annotations"])))
        if self.refuses:
            raise MlstackError("kube.not-found", "gone")
        return {}

    def watch(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())


def context(cancelled: bool = False) -> Any:
    return SimpleNamespace(cancelled=lambda: cancelled)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_namespace_that_waits_is_looked_at_again(monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    monkeypatch.setattr(gone, "NUDGE_SECONDS", 0.0)
    cluster = Cluster(changes=3, refuses=refuses)
    wait_gone(context(), cluster, SPACE)  # type: ignore[arg-type]
    assert cluster.patched == [(SPACE, ["mlstack.dev/awaited"])] * 3


def test_nothing_else_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gone, "NUDGE_SECONDS", 0.0)
    cluster = Cluster(looks=3)
    wait_gone(context(), cluster, ROLE)  # type: ignore[arg-type]
    assert cluster.patched == []


def test_a_namespace_is_given_time_between(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(looks=3)
    wait_gone(context(), cluster, SPACE)  # type: ignore[arg-type]
    assert cluster.patched == []


def test_one_of_the_same_name_that_came_after_is_not_waited_for() -> None:
    wait_gone(context(), Cluster(looks=99), SPACE, uid="0")  # type: ignore[arg-type]


def test_what_does_not_go_is_told_with_what_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gone, "GONE_WITHIN", -1.0)
    with pytest.raises(MlstackError) as caught:
        wait_gone(context(), Cluster(looks=99), ROLE)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.why) == ("kube.stuck", "held by x/y")


def test_waiting_can_be_interrupted() -> None:
    with pytest.raises(MlstackError) as caught:
        wait_gone(context(cancelled=True), Cluster(looks=99), SPACE)  # type: ignore[arg-type]
    assert caught.value.code == "run.interrupted"
