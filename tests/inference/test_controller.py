"""The controller: what is there is read, changes are followed, and the route is written when it differs and only then."""

from __future__ import annotations

import threading

from inferenceworld import Memory, service

from mlstack_inference.__main__ import site_of
from mlstack_inference.controller import Controller
from mlstack_inference.routes import Site, virtual_service

SITE = Site("kserve", "istio-system/platform")
MODELS = "apis/serving.kserve.io/v1beta1/inferenceservices"


def change(kind: str, one, version: str):
    return kind, {**one, "metadata": {**one["metadata"], "resourceVersion": version}}


def run(memory: Memory) -> Controller:
    """Runs it until it pauses, which it does once the memory is silent at last."""
    controller, ended = Controller(memory, SITE), threading.Event()
    controller.run(ended, pause=lambda _: ended.set())
    return controller


def named(route) -> list[str]:
    return [one["name"] for one in route["spec"]["http"]]


def test_what_is_there_is_written_once(memory: Memory) -> None:
    memory.lists[MODELS] = [service()]
    controller = Controller(memory, SITE)
    assert not controller.synced.is_set()
    assert controller.read() == "7"
    assert controller.read() == "7"
    assert [named(one) for one in memory.applied] == [["ann-iris", "no-model"]]
    assert controller.synced.is_set()


def test_a_route_that_somebody_changed_is_put_right_by_the_next_reading(memory: Memory) -> None:
    memory.lists[MODELS] = [service()]
    memory.live = virtual_service([], SITE)
    Controller(memory, SITE).read()
    assert len(memory.applied) == 1


def test_changes_are_followed_and_others_write_nothing(memory: Memory) -> None:
    memory.lists[MODELS] = [service()]
    same = service()
    same["status"]["observedGeneration"] = 3
    memory.changes = [
        [
            change("MODIFIED", same, "8"),
            change("ADDED", service("rose"), "9"),
            ("BOOKMARK", {"metadata": {"resourceVersion": "10"}}),
        ],
        [change("DELETED", service(), "11")],
        [],
    ]
    memory.silent = 0
    controller, ended = Controller(memory, SITE), threading.Event()
    controller._follow(controller.read())
    assert [named(one) for one in memory.applied] == [
        ["ann-iris", "no-model"],
        ["ann-iris", "ann-rose", "no-model"],
        ["ann-rose", "no-model"],
    ]
    assert [one for one in memory.asked if one.startswith("watch")] == [
        "watch from 7",
        "watch from 10",
        "watch from 11",
    ]
    assert not ended.is_set()


def test_a_version_that_is_too_old_is_no_trouble(memory: Memory) -> None:
    memory.lists[MODELS] = [service()]
    controller, ended = Controller(memory, SITE), threading.Event()
    read = controller.read

    def reading() -> str:
        if len([one for one in memory.asked if one.startswith("watch")]) == 2:
            ended.set()
        return read()

    controller.read = reading  # type: ignore[method-assign]
    controller.run(ended, pause=lambda _: (_ for _ in ()).throw(AssertionError("it paused")))
    assert len(memory.applied) == 1


def test_a_cluster_that_does_not_answer_is_asked_again_after_a_pause(memory: Memory, caplog) -> None:
    memory.lists[MODELS] = [service()]
    memory.silent = 1
    controller = run(memory)
    assert not controller.synced.is_set()
    assert "the models are not followed: the API server does not answer" in caplog.text
    controller.read()
    assert controller.synced.is_set()


def test_without_models_the_rest_is_still_answered(memory: Memory) -> None:
    Controller(memory, SITE).read()
    assert [named(one) for one in memory.applied] == [["no-model"]]


def test_settings_are_variables() -> None:
    assert site_of({"NAMESPACE": "kserve", "GATEWAY": "istio-system/platform"}) == SITE
    more = site_of({"NAMESPACE": "n", "GATEWAY": "g", "SERVERLESS": "k:80", "DOMAIN": "lab"})
    assert (more.serverless, more.domain) == ("k:80", "lab")
