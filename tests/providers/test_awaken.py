"""Waiting after a start: readiness from before the stop does not count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Event, Message, StepWaiting
from mlstack.core.ports import WatchEvent
from mlstack.providers.awaken import await_api, await_pods, fresh

STARTED = {"n": 1_790_000_000.0}
OLD, NEW = "2026-09-21T14:13:10Z", "2026-09-21T14:13:30Z"


def pod(
    name: str, at: str, *, ready: bool = True, namespace: str = "kube-system", phase: str = "Running"
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "spec": {"nodeName": "n"},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "c", "ready": ready, "state": {"running": {"startedAt": at}}}],
        },
    }


class Api:
    """Answers after ``refusals`` failures; its pods change with each watch."""

    def __init__(self, rounds: list[list[dict[str, Any]]], refusals: int = 0) -> None:
        self.rounds = rounds
        self.refusals = refusals

    def server_version(self) -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise MlstackError("kube.unreachable", "connection refused")
        return "v1.36.3"

    def resource(self, api_version: str, kind: str) -> str:
        return kind

    def list(self, resource: str) -> list[dict[str, Any]]:
        return self.rounds[0]

    def watch(self, resource: str, *, timeout: float) -> Iterator[WatchEvent]:
        for one in self.rounds[0]:
            yield WatchEvent("ADDED", one)
        if len(self.rounds) > 1:
            self.rounds.pop(0)
            for one in self.rounds[0]:
                yield WatchEvent("MODIFIED", one)


def wait(api: Api, patience: float = 30.0) -> list[Event]:
    events: list[Event] = []
    await_pods(api, STARTED, "start", events.append, lambda: False, patience)
    return events


@pytest.mark.parametrize(("at", "expected"), [(OLD, False), (NEW, True)])
def test_a_pod_is_fresh_when_its_containers_were_started_after_the_node(at: str, expected: bool) -> None:
    assert fresh(pod("p", at), STARTED) is expected


def test_each_pod_is_judged_by_its_own_nodes_start() -> None:
    since = {"n": 1_790_000_000.0, "other": 0.0}
    elsewhere = pod("p", OLD) | {"spec": {"nodeName": "other"}}
    assert fresh(elsewhere, since)
    assert not fresh(pod("p", OLD), since)
    assert fresh(pod("p", OLD) | {"spec": {}}, since)


def test_stale_readiness_is_waited_out_and_named() -> None:
    events = wait(Api([[pod("etcd", OLD)], [pod("etcd", NEW, ready=False)], [pod("etcd", NEW)]]))
    first = next(event for event in events if isinstance(event, StepWaiting))
    assert [(item.resource, item.reason) for item in first.pending] == [
        ("Pod/kube-system/etcd", "not started again yet")
    ]


def test_finished_and_vanishing_pods_are_not_waited_for() -> None:
    vanishing = pod("v", OLD)
    vanishing["metadata"]["deletionTimestamp"] = NEW
    assert wait(Api([[pod("job", OLD, phase="Succeeded"), pod("bad", OLD, phase="Failed"), vanishing]])) == []


def test_the_clusters_own_pods_that_stay_down_are_an_error() -> None:
    with pytest.raises(MlstackError) as caught:
        wait(Api([[pod("coredns", NEW, ready=False), pod("app", NEW, ready=False, namespace="team")]]), patience=-1)
    assert (caught.value.code, caught.value.exit_code) == ("cluster.not-ready", ExitCode.NOT_READY)
    assert "Pod/kube-system/coredns" in caught.value.why
    assert "app" not in caught.value.why


def test_other_pods_that_stay_down_are_a_warning() -> None:
    events = wait(Api([[pod("app", NEW, ready=False, namespace="team")]]), patience=-1)
    (warning,) = [event for event in events if isinstance(event, Message)]
    assert warning.level == "warning"
    assert "Pod/team/app" in warning.text


def test_a_cancel_ends_the_wait() -> None:
    with pytest.raises(MlstackError) as caught:
        await_pods(Api([[pod("etcd", OLD)]]), STARTED, "s", lambda _event: None, lambda: True)
    assert caught.value.exit_code is ExitCode.INTERRUPTED


def test_the_api_is_asked_until_it_answers() -> None:
    api = Api([], refusals=2)
    await_api(api, "start", lambda _event: None, lambda: False)
    assert api.refusals < 0


def test_an_api_that_never_answers_is_an_error_with_its_reason() -> None:
    with pytest.raises(MlstackError) as caught:
        await_api(Api([], refusals=99), "start", lambda _event: None, lambda: False, patience=-1)
    assert (caught.value.code, caught.value.why) == ("cluster.no-api", "connection refused")
