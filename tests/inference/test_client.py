"""Serving from a program: what is waited for, and when waiting ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from inferenceworld import canary, pod, service, with_canaries

from mlstack_inference.client import Models, NotServed, is_reached, is_rolled_out
from mlstack_pod.kube import KubeError


def test_rolled_out_means_that_what_is_wanted_answers() -> None:
    assert is_rolled_out(service(), [pod(ready=True)])
    assert not is_rolled_out(service(), [])
    assert not is_rolled_out(service(), [pod(ready=False)])
    assert not is_rolled_out(service(ready=False), [pod(ready=True)])


def test_an_old_version_that_still_answers_is_not_the_new_one() -> None:
    old, new = pod(ready=True, source="s3://models/old"), pod(ready=True)
    assert not is_rolled_out(service(), [old])
    assert not is_rolled_out(service(), [old, new]), "half of the answers are the old one's"
    old["metadata"]["deletionTimestamp"] = "now"
    assert is_rolled_out(service(), [old, new])


def test_canaries_have_to_answer_too() -> None:
    v2 = canary("v2", 20, "s3://models/v2")
    stable, second = pod(ready=True), pod("iris-v2-predictor", ready=True, source="s3://models/v2")
    assert is_rolled_out(with_canaries((v2, True)), [stable, second])
    assert not is_rolled_out(with_canaries((v2, True)), [stable])
    assert not is_rolled_out(with_canaries((v2, False)), [stable, second])


def test_a_model_in_its_image_or_one_that_sleeps_needs_no_pod() -> None:
    own = service(predictor={"containers": [{"name": "kserve-container"}]})
    assert is_rolled_out(own, [])
    asleep = service()
    asleep["status"]["deploymentMode"] = "Knative"
    assert is_rolled_out(asleep, [])


class Slow:
    """A cluster whose model is as the story says at each look; the last state stays."""

    def __init__(self, *story: tuple[Any, list[Any]]) -> None:
        self.story, self.now, self.looks = list(story), 0.0, 0

    def get(self, path: str) -> Any:
        state = self.story[min(self.looks, len(self.story) - 1)]
        if path.endswith("/events"):
            self.looks += 1
            return {"items": []}
        return {"items": state[1]} if "/pods" in path else state[0]

    def pause(self, seconds: float) -> None:
        self.now += seconds


def wait(slow: Slow, seconds: float = 120, reached: Callable[[str], bool] = lambda host: True) -> Any:
    models = Models(slow, "ann", clock=lambda: slow.now, pause=slow.pause, reached=reached)  # type: ignore[arg-type]
    return models.wait("iris", seconds)


FETCH = {"name": "storage-initializer", "state": {"terminated": {"exitCode": 1, "message": "no model: nothing there"}}}
BROKEN = (service(ready=False), [pod(initContainerStatuses=[FETCH])])
STARTING = (service(ready=False), [pod()])
FINE = (service(), [pod(ready=True)])


def test_it_waits_until_the_model_answers() -> None:
    slow = Slow(STARTING, STARTING, FINE)
    assert wait(slow)["metadata"]["name"] == "iris"
    assert slow.now == 2


def test_what_does_not_pass_by_itself_ends_the_wait_within_half_a_minute() -> None:
    slow = Slow(STARTING, BROKEN)
    with pytest.raises(NotServed, match="Pod/ann/iris-predictor-7d9f waits for its model: no model: nothing there"):
        wait(slow)
    assert slow.now <= 30


def test_a_failure_that_a_second_try_mends_does_not_end_it() -> None:
    assert wait(Slow(*[BROKEN] * 10, STARTING, *[BROKEN] * 15, FINE))


def test_a_pod_that_is_ready_is_waited_for_until_the_network_leads_there() -> None:
    asked: list[str] = []

    def reached(host: str) -> bool:
        asked.append(host)
        return len(asked) > 2

    slow = Slow(FINE)
    assert wait(slow, reached=reached)
    assert (asked, slow.now) == (["iris-predictor.ann.svc.cluster.local"] * 3, 2)
    with pytest.raises(NotServed, match=r"waits for Service/ann/iris-predictor: .* no connection leads there"):
        wait(Slow(FINE), 10, lambda host: False)


def test_a_host_is_reached_when_it_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_reached("127.0.0.1", port)
    assert not is_reached("127.0.0.1", port)


def test_it_does_not_wait_longer_than_it_is_told() -> None:
    slow = Slow(STARTING)
    with pytest.raises(NotServed, match="is starting"):
        wait(slow, 60)
    assert slow.now == 60


def test_a_model_that_was_deleted_is_not_waited_for() -> None:
    with pytest.raises(NotServed, match="it is gone"):
        wait(Slow((None, [])))


class Account:
    def __init__(self, found: Any) -> None:
        self.found = found

    def get(self, path: str) -> Any:
        return self.found if path == "api/v1/namespaces/ann/serviceaccounts/model-reader" else None


def test_the_namespace_says_its_bucket() -> None:
    account = {"metadata": {"annotations": {"mlstack.dev/bucket": "profile-ann"}}}
    assert Models(Account(account), "ann").bucket() == "profile-ann"  # type: ignore[arg-type]
    with pytest.raises(KubeError, match="namespace ann has no service account model-reader"):
        Models(Account(None), "ann").bucket()  # type: ignore[arg-type]


def test_an_applied_service_replaces_the_lists_of_the_one_before() -> None:
    """Server-side apply takes away what its manager no longer names: an empty list of canaries ends a trial."""
    seen = []

    class Applying(Account):
        def apply(self, path: str, obj: Any) -> Any:
            seen.append((path, obj))
            return obj

    Models(Applying(None), "ann").apply("iris", {"predictor": {}, "canary": []}, {"a": "b"})  # type: ignore[arg-type]
    ((path, obj),) = seen
    assert path == "apis/serving.kserve.io/v1beta1/namespaces/ann/inferenceservices/iris"
    assert obj["spec"] == {"predictor": {}, "canary": []}
    assert (obj["metadata"]["labels"], obj["apiVersion"]) == ({"a": "b"}, "serving.kserve.io/v1beta1")
