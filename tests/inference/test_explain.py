"""Why a model is not served: each kind of trouble is told with who waits, for what, and what to do."""

from __future__ import annotations

import pytest
from inferenceworld import event, pod, service

from mlstack_inference.explain import explain, unknown


def waiting(reason: str, message: str = "", **more) -> dict:
    return {
        "name": "kserve-container",
        "image": "x:1",
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }


def ended(message: str, name: str = "kserve-container", reason: str = "Error", code: int = 1) -> dict:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def failed(reason: str, message: str, transition: str = "InvalidSpec") -> dict:
    one = service(ready=False)
    one["status"]["modelStatus"] = {
        "transitionStatus": transition,
        "lastFailureInfo": {"reason": reason, "message": message},
    }
    return one


def test_an_unknown_format_waits_for_a_runtime() -> None:
    one = failed("NoSupportingRuntime", "No runtime found to support specified framework/version")
    one["spec"]["predictor"]["model"]["modelFormat"]["name"] = "sklaern"
    reason = explain(one, [], [])
    assert reason.waits == "InferenceService/ann/iris"
    assert reason.on == "a ClusterServingRuntime for format 'sklaern'"
    assert "kubectl get clusterservingruntimes" in reason.remedy
    assert reason.lasting


def test_a_runtime_that_is_named_and_is_not_there() -> None:
    one = failed("RuntimeNotRecognized", "Waiting for runtime to become available")
    one["spec"]["predictor"]["model"]["runtime"] = "mine"
    assert explain(one, [], []).on == "ClusterServingRuntime mine"


def test_what_failed_before_and_was_corrected_is_not_told() -> None:
    one = failed("NoSupportingRuntime", "No runtime found", transition="InProgress")
    assert "runtime" not in str(explain(one, [pod()], []))


def test_a_path_where_there_is_no_model() -> None:
    init = ended("reading\nno model: there is no object at or below s3://models/iris", "storage-initializer")
    reason = explain(service(ready=False), [pod(initContainerStatuses=[init])], [])
    assert (reason.waits, reason.on) == ("Pod/ann/iris-predictor-7d9f", "its model")
    assert reason.why == "no model: there is no object at or below s3://models/iris"
    assert "s3://models/iris" in reason.remedy
    assert "kubectl -n ann logs iris-predictor-7d9f -c storage-initializer --previous" in reason.remedy


def test_between_two_tries_the_last_one_is_told() -> None:
    init = {
        "name": "storage-initializer",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "no model: access denied"}},
    }
    assert explain(service(ready=False), [pod(initContainerStatuses=[init])], []).why == "no model: access denied"


@pytest.mark.parametrize(
    ("status", "on", "why"),
    [
        (waiting("ImagePullBackOff", "back-off pulling x:1"), "image x:1", "back-off pulling x:1"),
        (waiting("ErrImageNeverPull"), "image x:1", "ErrImageNeverPull"),
        (
            waiting("CreateContainerConfigError", 'secret "k" not found'),
            "a Secret or ConfigMap",
            'secret "k" not found',
        ),
        (
            ended("cannot serve: model.joblib cannot be loaded"),
            "container kserve-container",
            "cannot serve: model.joblib cannot be loaded",
        ),
        (ended(""), "container kserve-container", "container kserve-container ended with 1 (Error)"),
        (ended("", reason="OOMKilled", code=137), "memory", "container kserve-container used more than its limit"),
    ],
)
def test_a_container_that_does_not_run(status, on, why) -> None:
    reason = explain(service(ready=False), [pod(containerStatuses=[status])], [])
    assert (reason.on, reason.why, reason.lasting) == (on, why, True)


def test_a_container_that_ended_well_or_runs_is_no_reason() -> None:
    fine = [ended("fetched", code=0), {"name": "kserve-container", "state": {"running": {}}}]
    reason = explain(service(ready=False), [pod(containerStatuses=fine)], [])
    assert (reason.on, reason.lasting) == ("Pod/ann/iris-predictor-7d9f", False)


def test_a_pod_that_finds_no_node() -> None:
    one = pod()
    one["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}
    ]
    reason = explain(service(ready=False), [one], [])
    assert (reason.on, reason.why) == ("a node with room", "0/1 nodes: Insufficient cpu")


def test_the_newest_pod_counts_and_those_that_go_do_not() -> None:
    old, new, going = pod(), pod(), pod()
    old["metadata"]["creationTimestamp"], new["metadata"]["creationTimestamp"] = "2026-01-01", "2026-01-02"
    old["status"]["containerStatuses"] = [waiting("ErrImagePull", "old")]
    new["status"]["containerStatuses"] = [waiting("ErrImagePull", "new")]
    going["metadata"] |= {"deletionTimestamp": "now", "creationTimestamp": "2026-01-03"}
    going["status"]["containerStatuses"] = [waiting("ErrImagePull", "going")]
    assert explain(service(ready=False), [old, going, new], []).why == "new"


def test_a_quota_that_is_too_small() -> None:
    message = 'pods "iris-predictor-7d9f-x" is forbidden: exceeded quota: profile, requested: limits.memory=768Mi'
    events = [event("FailedCreate", "older", when="0"), event("FailedCreate", message)]
    reason = explain(service(ready=False), [], events)
    assert (reason.waits, reason.on) == ("ReplicaSet/ann/iris-predictor-7d9f", "room in the quota")
    assert reason.why == message
    assert explain(service(ready=False), [pod(ready=True)], events) == reason, "an old version still answers"
    assert explain(service(ready=False), [pod(ready=True), pod()], events).on.startswith("Pod/"), "one was made since"


def test_events_of_others_are_not_taken_for_its_own() -> None:
    others = [event("FailedCreate", "exceeded quota", name="rose-7d9f"), event("BackOff", "x", name="iris-predictor-1")]
    assert explain(service(ready=False), [], others).on == "the controller"


def test_what_the_controller_could_not_do() -> None:
    said = event("InternalError", "StorageURI not supported: ftp://x", "InferenceService", "iris")
    reason = explain(service(ready=False), [], [said])
    assert (reason.waits, reason.why) == ("InferenceService/ann/iris", "StorageURI not supported: ftp://x")
    assert not reason.lasting, "the status, which is written after the event, may say it better"
    for again in ({"count": 2}, {"series": {"count": 2}}):
        assert explain(service(ready=False), [], [{**said, **again}]).lasting


def test_a_condition_is_told_where_nothing_else_is_known() -> None:
    one = service(ready=False)
    one["status"]["conditions"][0] |= {"reason": "MinimumReplicasUnavailable", "message": "not available"}
    assert explain(one, [], []).why == "not available"


def test_just_made() -> None:
    reason = explain({**service(), "status": {}}, [], [])
    assert (reason.on, reason.lasting) == ("the controller", False)


def test_a_name_that_no_model_has() -> None:
    assert unknown("ann", "irsi", ["rose", "iris"]).remedy == "There is iris, rose."
    assert unknown("ann", "irsi", []).remedy == "The namespace has no models yet."


def test_an_answer_holds_all_of_it() -> None:
    answer = unknown("ann", "irsi", []).answer()
    assert answer["error"] == "/serving/ann/irsi/ waits for InferenceService/ann/irsi"
    assert set(answer) == {"error", "waits", "on", "why", "remedy", "lasting"}
