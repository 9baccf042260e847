"""A sample that does not go on: what it waits for is told, once, while nothing else is heard."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Message
from mlstack.core.ports import ApiResource
from mlstack.core.samplekind import Started
from mlstack.engine import sampleholdups
from mlstack.engine.sampleholdups import HoldupTeller
from mlstack.engine.samples import SampleRunner

RUN = Started("w-1", "ann", "argoproj.io/v1alpha1", "Workflow", pods="workflow=w-1")
FLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "w-1", "namespace": "ann"},
    "status": {"phase": "Running"},
}
STATE = {"waiting": {"reason": "ErrImagePull", "message": "nobody has it"}}
POD = {
    "metadata": {"name": "w-1-a", "namespace": "ann"},
    "status": {"phase": "Pending", "containerStatuses": [{"name": "main", "state": STATE}]},
}


DATABASE = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "mysql", "namespace": "mysql", "labels": {"mlstack.dev/stack": "mysql"}},
    "spec": {"replicas": 1},
}


class Cluster:
    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.fails = 0
        self.pods = [POD]
        self.flow: dict[str, Any] = FLOW

    def resource(self, api_version: str, kind: str) -> ApiResource:
        return ApiResource(api_version, kind, kind.lower() + "s", True)

    def list(self, resource: ApiResource, selector: str = "", namespace: str = "") -> list[dict[str, Any]]:
        if resource.kind in ("Deployment", "StatefulSet"):
            assert (namespace, selector) == ("", "mlstack.dev/stack in (minio,mysql)")
            return [DATABASE] if resource.kind == "StatefulSet" else []
        assert namespace == "ann"
        if self.fails:
            self.fails -= 1
            raise MlstackError("kube.unreachable", "no answer")
        if resource.kind == "Event":
            self.asked.release()
            return []
        assert selector == "workflow=w-1"
        return self.pods


@pytest.fixture
def telling(monkeypatch):
    monkeypatch.setattr(sampleholdups, "LOOK", 0.01)
    cluster, events = Cluster(), []
    teller = HoldupTeller(cluster, events.append, RUN, lambda: cluster.flow)  # type: ignore[arg-type]
    yield cluster, events, teller
    teller.end()


def test_it_is_told_once_also_after_the_cluster_did_not_answer(telling, monkeypatch) -> None:
    monkeypatch.setattr(sampleholdups, "QUIET", 0.0)
    cluster, events, teller = telling
    cluster.fails = 2
    teller.start()
    for _ in range(3):
        assert cluster.asked.acquire(timeout=20)
    teller.end()
    (message,) = events
    assert isinstance(message, Message) and message.level == "warning"
    assert message.text.startswith("Pod/ann/w-1-a waits: container main: ErrImagePull: nobody has it; ")


def test_nobody_is_asked_while_there_is_news(telling, monkeypatch) -> None:
    monkeypatch.setattr(sampleholdups, "QUIET", 3600.0)
    cluster, events, teller = telling
    teller.start()
    assert not cluster.asked.acquire(timeout=0.3)
    assert events == []


def test_parts_that_the_run_stands_on_are_looked_at_too(telling, monkeypatch) -> None:
    monkeypatch.setattr(sampleholdups, "QUIET", 0.0)
    cluster, events, _ = telling
    teller = HoldupTeller(cluster, events.append, RUN, lambda: FLOW, ("mysql", "minio"))  # type: ignore[arg-type]
    teller.start()
    for _ in range(3):
        assert cluster.asked.acquire(timeout=20)
    teller.end()
    first, second = events
    assert first.text.startswith("StatefulSet/mysql/mysql waits: none of its pods is ready; ")
    assert second.text.startswith("Pod/ann/w-1-a waits")


class Refusing:
    """A kind of sample whose service does not answer, or refuses what is asked."""

    def __init__(self, code: ExitCode) -> None:
        self.code = code

    def start(self, _obj: dict[str, Any]) -> Started:
        raise MlstackError("sample.refused", "the API does not answer", exit_code=self.code)


@pytest.mark.parametrize(("code", "told"), [(ExitCode.FAILED, 1), (ExitCode.USAGE, 0)])
def test_what_cannot_start_says_which_part_is_down(code, told) -> None:
    events: list[Message] = []
    ground = ("mysql", "minio")
    runner = SampleRunner(Cluster(), Refusing(code), events.append, lambda: False, ground)  # type: ignore[arg-type]
    with pytest.raises(MlstackError, match="does not answer"):
        runner.run("s", {}, {}, watch=True)
    assert [one.text.partition(":")[0] for one in events] == ["StatefulSet/mysql/mysql"] * told


@pytest.mark.parametrize(
    ("flow", "told"),
    [({key: value for key, value in FLOW.items() if key != "status"}, 1), (FLOW, 0), ({}, 0)],
)
def test_what_nothing_works_on_is_told(telling, monkeypatch, flow: dict[str, Any], told: int) -> None:
    monkeypatch.setattr(sampleholdups, "QUIET", 0.0)
    cluster, events, teller = telling
    cluster.pods, cluster.flow = [], flow
    teller.start()
    for _ in range(2):
        assert cluster.asked.acquire(timeout=20)
    teller.end()
    texts = [event.text for event in events]
    wanted = "Workflow/ann/w-1 waits: nothing has looked at it yet; `mlstack status` says which stack is not ready"
    assert len(texts) == told and all(text.startswith(wanted) for text in texts)


class Ended(Refusing):
    """A kind of sample that has ended as soon as it is started."""

    lines = staticmethod(lambda: lambda _line: None)

    def __init__(self, phase: str) -> None:
        self.ended = phase

    def start(self, _obj: dict[str, Any]) -> Started:
        return RUN

    def finished(self, _state: dict[str, Any]) -> bool:
        return True

    def phase(self, _state: dict[str, Any]) -> str:
        return self.ended

    def message(self, _state: dict[str, Any]) -> str:
        return "because"

    def failures(self, _run: Started) -> list[Any]:
        return []

    def results(self, *_: Any) -> tuple[dict[str, str], dict[str, str]]:
        return {}, {}


@pytest.mark.parametrize(("phase", "told"), [("Failed", 1), ("Succeeded", 0)])
def test_what_failed_says_which_part_is_down(monkeypatch, phase, told) -> None:
    events: list[Message] = []
    monkeypatch.setattr(SampleRunner, "_follow", lambda _self, run: run.object)
    runner = SampleRunner(Cluster(), Ended(phase), events.append, lambda: False, ("mysql", "minio"))  # type: ignore[arg-type]
    assert runner.run("s", {}, {}, watch=True).phase == phase
    assert [one.text.partition(":")[0] for one in events if one.level == "warning"] == [
        "StatefulSet/mysql/mysql"
    ] * told
