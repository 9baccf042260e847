"""Readiness rules and reasons, case by case."""

from __future__ import annotations

import pytest
from objects import deployment, obj

from mlstack.core.pending import crashed, final_failure, pending_reasons, progress_mark
from mlstack.core.readiness import State, has_rule, readiness

READY, PENDING, FAILED = State.READY, State.PENDING, State.FAILED


def with_status(kind, status, generation=1, spec=None, api="apps/v1"):
    return {**obj(kind, "x", "ns", api, metadata={"generation": generation}), "spec": spec or {}, "status": status}


def condition(kind, status="True", **more):
    return {"conditions": [{"type": kind, "status": status, **more}]}


GOOD = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
CASES = {
    "deployment ready": (with_status("Deployment", GOOD, spec={"replicas": 2}), READY, ""),
    "deployment default of one": (with_status("Deployment", {**GOOD, "availableReplicas": 0}), PENDING, "0 of 1"),
    "deployment not observed": (with_status("Deployment", GOOD, 2, {"replicas": 2}), PENDING, "newest version"),
    "deployment no status": (with_status("Deployment", {}), PENDING, "newest version"),
    "deployment no replicas": (with_status("Deployment", {"observedGeneration": 1}, spec={"replicas": 0}), READY, ""),
    "deployment unavailable": (
        with_status("Deployment", {**GOOD, "availableReplicas": 1}, spec={"replicas": 2}),
        PENDING,
        "1 of 2",
    ),
    "deployment old pods": (
        with_status("Deployment", {**GOOD, "replicas": 3}, spec={"replicas": 2}),
        PENDING,
        "1 old pods",
    ),
    "deployment deadline": (
        with_status(
            "Deployment",
            {"observedGeneration": 1, **condition("Progressing", "False", reason="ProgressDeadlineExceeded")},
        ),
        FAILED,
        "ProgressDeadlineExceeded",
    ),
    "deployment quota": (
        with_status("Deployment", {"observedGeneration": 1, **condition("ReplicaFailure", message="exceeded quota")}),
        PENDING,
        "exceeded quota",
    ),
    "set ready": (
        with_status("StatefulSet", {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}),
        READY,
        "",
    ),
    "set not updated": (
        with_status("StatefulSet", {"observedGeneration": 1, "readyReplicas": 1}),
        PENDING,
        "0 of 1 pods updated",
    ),
    "set on delete": (
        with_status(
            "StatefulSet", {"observedGeneration": 1, "readyReplicas": 1}, spec={"updateStrategy": {"type": "OnDelete"}}
        ),
        READY,
        "",
    ),
    "daemon set ready": (
        with_status(
            "DaemonSet",
            {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2},
        ),
        READY,
        "",
    ),
    "daemon set partly": (
        with_status(
            "DaemonSet",
            {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": 1, "updatedNumberScheduled": 2},
        ),
        PENDING,
        "1 of 2",
    ),
    "pod ready": (with_status("Pod", {"phase": "Running", **condition("Ready")}, api="v1"), READY, ""),
    "pod done": (with_status("Pod", {"phase": "Succeeded"}, api="v1"), READY, ""),
    "pod failed": (with_status("Pod", {"phase": "Failed", "reason": "Evicted"}, api="v1"), FAILED, "Evicted"),
    "pod pending": (with_status("Pod", {}, api="v1"), PENDING, "Pending"),
    "job complete": (with_status("Job", condition("Complete"), api="batch/v1"), READY, ""),
    "job failed": (
        with_status("Job", condition("Failed", reason="BackoffLimitExceeded"), api="batch/v1"),
        FAILED,
        "BackoffLimit",
    ),
    "job running": (with_status("Job", {"active": 1}, api="batch/v1"), PENDING, "1 pods"),
    "job suspended": (with_status("Job", {}, spec={"suspend": True}, api="batch/v1"), READY, ""),
    "claim bound": (with_status("PersistentVolumeClaim", {"phase": "Bound"}, api="v1"), READY, ""),
    "claim waits for its pod": (with_status("PersistentVolumeClaim", {"phase": "Pending"}, api="v1"), READY, ""),
    "claim lost": (with_status("PersistentVolumeClaim", {"phase": "Lost"}, api="v1"), FAILED, "volume"),
    "crd": (with_status("CustomResourceDefinition", condition("Established")), READY, ""),
    "crd new": (with_status("CustomResourceDefinition", {}), PENDING, "Established"),
    "crd conflict": (
        with_status("CustomResourceDefinition", condition("NamesAccepted", "False", reason="ListKindConflict")),
        FAILED,
        "Conflict",
    ),
    "api service": (with_status("APIService", condition("Available")), READY, ""),
    "api service down": (
        with_status("APIService", condition("Available", "False", message="no endpoints")),
        PENDING,
        "no endpoints",
    ),
    "namespace": (with_status("Namespace", {"phase": "Active"}, api="v1"), READY, ""),
    "namespace ending": (with_status("Namespace", {"phase": "Terminating"}, api="v1"), PENDING, "Terminating"),
    "service": (with_status("Service", {}, api="v1"), READY, ""),
    "custom without conditions": (with_status("Thing", {}, api="g.example/v1"), READY, ""),
    "custom ready": (with_status("Thing", condition("Ready"), api="g.example/v1"), READY, ""),
    "custom not ready": (
        with_status("Thing", condition("Ready", "False", message="soon"), api="g.example/v1"),
        PENDING,
        "soon",
    ),
    "custom stale": (
        with_status("Thing", {**condition("Ready"), "observedGeneration": 1}, 2, api="g.example/v1"),
        PENDING,
        "newest version",
    ),
    "condition stale": (
        with_status("Thing", condition("Ready", observedGeneration=1), 2, api="g.example/v1"),
        PENDING,
        "condition Ready",
    ),
}


def test_what_is_left_to_its_users_holds_nobody_up() -> None:
    one = with_status("StatefulSet", {"observedGeneration": 1}, spec={"replicas": 1})
    assert readiness(one).state is PENDING
    one["metadata"]["annotations"] = {"mlstack.dev/left-to": "ann"}
    assert readiness(one).state is READY
    assert readiness(None).state is PENDING
    one["metadata"]["deletionTimestamp"] = "now"
    assert readiness(one).state is PENDING


@pytest.mark.parametrize(("target", "state", "words"), CASES.values(), ids=CASES)
def test_rule(target, state, words):
    verdict = readiness(target)
    assert verdict.state is state
    assert words in verdict.reason


def test_nothing_and_a_deleted_object_are_pending():
    assert readiness(None).state is PENDING
    deleted = with_status("Deployment", GOOD, spec={"replicas": 2})
    deleted["metadata"]["deletionTimestamp"] = "now"
    assert readiness(deleted).state is PENDING


def test_a_named_condition_wins_over_the_rule():
    target = with_status("Deployment", {**GOOD, **condition("Special", "False", reason="NotYet")}, spec={"replicas": 2})
    assert readiness(target, "Special").reason == "NotYet"
    assert readiness(target, "Other").reason == "condition Other is not there yet"


def test_only_kinds_that_become_ready_later_have_a_rule():
    assert has_rule("Deployment") and has_rule("CustomResourceDefinition")
    assert not has_rule("ConfigMap") and not has_rule("PersistentVolumeClaim")


def pod(name="p", state=None, **status):
    container = {"name": "main", "state": state or {}, **status.pop("container", {})}
    body = {
        "phase": "Pending",
        "containerStatuses": [container] if state or container.get("restartCount") else [],
        **status,
    }
    return {"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": {}, "status": body}


def warning(reason, message, name="p", when="2026-01-01T00:00:00Z", kind="Pod"):
    involved = {"kind": kind, "name": name, "uid": name}
    return {"type": "Warning", "reason": reason, "message": message, "involvedObject": involved, "lastTimestamp": when}


REASONS = {
    "image": (
        pod(state={"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'}}),
        [],
        'container main: ImagePullBackOff: Back-off pulling image "x:1"',
    ),
    "crash": (
        pod(
            state={"waiting": {"reason": "CrashLoopBackOff"}},
            container={"restartCount": 3, "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}},
        ),
        [],
        "container main: CrashLoopBackOff, started 4 times, ended with exit code 2",
    ),
    "out of memory": (
        pod(state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        [],
        "container main ended with exit code 137 (OOMKilled)",
    ),
    "scheduling": (
        pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}]),
        [],
        "not scheduled: 0/1 nodes: Insufficient cpu",
    ),
    "probe": (
        pod(phase="Running", state={"running": {}}),
        [warning("Unhealthy", "old"), warning("Unhealthy", "Readiness probe failed: 503", when="2026-01-01T00:00:09Z")],
        "Unhealthy: Readiness probe failed: 503",
    ),
    "mount": (pod(), [warning("FailedMount", 'secret "s" not found')], 'FailedMount: secret "s" not found'),
    "volume": (
        {**pod(), "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}},
        [warning("ProvisioningFailed", "no space", name="data", kind="PersistentVolumeClaim")],
        "volume data: ProvisioningFailed: no space",
    ),
    "volume on its way": (
        {**pod(), "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}},
        [],
        "waits for a node and its volumes (data)",
    ),
    "other pod's warning": (pod(), [warning("FailedMount", "x", name="q")], "waits for a node"),
}


@pytest.mark.parametrize(("one", "events", "reason"), REASONS.values(), ids=REASONS)
def test_reason(one, events, reason):
    (pending,) = pending_reasons(deployment("d"), [one], events)
    assert (pending.resource, pending.reason) == ("Pod/ns/p", reason)


def test_without_pods_the_object_itself_is_named():
    (pending,) = pending_reasons(
        deployment("d"), [], [warning("FailedCreate", "forbidden by policy", name="d", kind="Deployment")]
    )
    assert (pending.resource, pending.reason) == ("Deployment/ns/d", "FailedCreate: forbidden by policy")


def test_ready_pods_are_not_named_and_long_reasons_are_cut():
    ready = pod("a", phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    stuck = pod("b", conditions=[{"type": "PodScheduled", "status": "False", "message": "long " * 200}])
    (pending,) = pending_reasons(deployment("d"), [ready, stuck], [])
    assert pending.resource == "Pod/ns/b" and len(pending.reason) <= 240


def test_an_image_name_that_can_never_work_is_final():
    assert "InvalidImageName" in final_failure(
        [pod(state={"waiting": {"reason": "InvalidImageName", "message": "bad"}})]
    )
    assert final_failure([pod(state={"waiting": {"reason": "ImagePullBackOff"}})]) == ""


def test_progress_is_seen_but_restarts_are_none():
    target = with_status("Deployment", {"observedGeneration": 1})
    begun = progress_mark(target, [pod()])
    pulled = pod(state={"running": {}}, container={"imageID": "sha256:1"})
    assert progress_mark(target, [pulled]) != begun
    crashing = [
        pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, container={"restartCount": count}) for count in (1, 5)
    ]
    assert progress_mark(target, crashing[:1]) == progress_mark(target, crashing[1:])


def test_the_crashed_container_is_named():
    assert (
        crashed(pod(state={"waiting": {}}, container={"restartCount": 1, "lastState": {"terminated": {"exitCode": 1}}}))
        == "main"
    )
    assert crashed(pod(state={"running": {}})) == ""
