"""What holds a running sample up, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlstack.core.holdups import Holdup, ailing, holdups, last_news, remedy, unseen

BEGAN = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def pod(name: str = "run-1-a", phase: str = "Pending", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "ann", "uid": f"u-{name}"},
        "spec": {"nodeName": "n"},
        "status": {"phase": phase, **status},
    }


def warning(kind: str, name: str, message: str, minute: int = 1, reason: str = "FailedCreate") -> dict[str, Any]:
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-11-01T10:{minute:02}:00Z",
        "involvedObject": {"kind": kind, "name": name, "namespace": "ann"},
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "main", "state": state, "restartCount": 0}]}


def test_an_image_that_nobody_has_is_named_with_what_to_do() -> None:
    (found,) = holdups([pod(**waiting("ImagePullBackOff", 'Back-off pulling image "x:1"'))], [], "run-1", BEGAN)
    assert found.resource == "Pod/ann/run-1-a"
    assert "x:1" in found.reason and "mlstack images list" in found.remedy


def test_pods_that_run_have_ended_or_just_start_hold_nothing_up() -> None:
    pods = [pod(phase="Running"), pod(phase="Succeeded"), pod(**waiting("ContainerCreating"))]
    assert holdups(pods, [], "run-1", BEGAN) == []


def test_a_pod_without_a_node_says_why() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/1 nodes are available: 1 Insufficient memory.",
    }
    one = pod(conditions=[condition])
    one["spec"] = {}
    (found,) = holdups([one], [], "run-1", BEGAN)
    assert "Insufficient memory" in found.reason and "full" in found.remedy


def test_what_cannot_even_make_its_pods_is_told_by_its_newest_warning() -> None:
    events = [
        warning("Job", "run-1-node-0", "exceeded quota: first", 1),
        warning("Job", "run-1-node-0", "exceeded quota: profile, requested: pods=2", 3),
        warning("Job", "run-2-node-0", "exceeded quota: of somebody else", 3),
        warning("Workflow", "run-1", "from before", 0) | {"lastTimestamp": "2026-11-01T09:59:00Z"},
        warning("Job", "run-1-x", "all well") | {"type": "Normal"},
        warning("Pod", "run-1-server", "Readiness probe failed", 3, "Unhealthy"),
    ]
    (found,) = holdups([], events, "run-1", BEGAN)
    assert found.resource == "Job/ann/run-1-node-0"
    assert "requested: pods=2" in found.reason and "quota" in found.remedy


def test_what_controllers_try_again_at_once_is_no_news() -> None:
    gone = warning("Trial", "run-1-x", 'Failed to reconcile: jobs.batch "run-1-x" not found', 3, "ReconcileError")
    beaten = warning("Job", "run-1-y", "Operation cannot be fulfilled on jobs.batch: the object has been modified", 3)
    assert holdups([], [gone, beaten], "run-1", BEGAN) == []


def test_parts_of_the_platform_that_are_down_are_told_with_their_stack() -> None:
    def workload(name: str, stack: str, replicas: int | None, ready: int) -> dict[str, Any]:
        spec = {} if replicas is None else {"replicas": replicas}
        metadata = {"name": name, "namespace": stack, "labels": {"mlstack.dev/stack": stack}}
        status = {"readyReplicas": ready} if ready else {}
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec, "status": status}

    workloads = [
        workload("db", "mysql", 1, 0),
        workload("store", "minio", 0, 0),
        workload("fine", "minio", 2, 1),
        workload("default", "minio", None, 0),
        workload("asleep", "notebooks", 0, 0),
        workload("own", "minio", 0, 0),
    ]
    workloads[-1]["metadata"]["annotations"] = {"mlstack.dev/left-to": "ann"}
    found = {one.resource: one for one in ailing(workloads, {"mysql", "minio"})}
    assert found.keys() == {"StatefulSet/mysql/db", "StatefulSet/minio/store", "StatefulSet/minio/default"}
    assert "none of its pods" in found["StatefulSet/mysql/db"].reason
    assert "scaled to no pod" in found["StatefulSet/minio/store"].reason
    assert "mlstack logs mysql" in found["StatefulSet/mysql/db"].remedy


def test_events_of_every_age_are_understood() -> None:
    old = warning("Job", "run-1", "m")
    new = {**old, "lastTimestamp": None, "eventTime": "2026-11-01T10:05:00.123456Z"}
    assert len(holdups([], [new, {**old, "lastTimestamp": None}], "run-1", BEGAN)) == 1


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("container main: ErrImagePull: no", "registry"),
        ('FailedCreate: pods "a" is forbidden: exceeded quota: profile', "quota"),
        ('FailedCreate: pods "a" is forbidden: violates PodSecurity "restricted"', "securityContext"),
        ("FailedMount: secret mine not found", "namespace"),
        ("container a: CrashLoopBackOff, started 3 times, ended with exit code 137 (OOMKilled)", "memory"),
        ('failed calling webhook "x": connection refused', "mlstack status"),
        ("something else", "mlstack doctor"),
    ],
)
def test_there_is_something_to_do_about_every_reason(reason: str, word: str) -> None:
    assert word in remedy(reason)


def test_a_warning_is_over_once_the_pod_started() -> None:
    mount = warning("Pod", "run-1-a", "MountVolume failed: secret not there yet", 1, "FailedMount")
    started = {"name": "main", "state": {"running": {"startedAt": "2026-11-01T10:02:00Z"}}}
    runs = pod(phase="Running", containerStatuses=[started])
    assert holdups([runs], [mount], "run-1", BEGAN) == []
    (found,) = holdups([runs], [{**mount, "lastTimestamp": "2026-11-01T10:03:00Z"}], "run-1", BEGAN)
    assert found.resource == "Pod/ann/run-1-a"


def test_a_warning_is_over_once_the_pods_were_made() -> None:
    quota = warning("Job", "run-1-node", "exceeded quota: profile", 1)
    made = pod("run-1-node-0", phase="Running")
    made["metadata"] |= {"ownerReferences": [{"name": "run-1-node"}], "creationTimestamp": "2026-11-01T10:02:00Z"}
    assert holdups([made], [quota], "run-1", BEGAN) == []
    assert len(holdups([made], [{**quota, "lastTimestamp": "2026-11-01T10:03:00Z"}], "run-1", BEGAN)) == 1


def test_what_to_do_where_no_rule_fits_is_the_askers() -> None:
    (found,) = holdups([], [warning("Job", "run-1", "something else")], "run-1", BEGAN, "ask Ann")
    assert found.remedy == "ask Ann"


def test_an_object_that_nothing_looked_at_is_told() -> None:
    obj = {"apiVersion": "example.org/v1", "kind": "Job", "metadata": {"name": "run-1", "namespace": "ann"}}
    (found,) = unseen(obj)
    assert isinstance(found, Holdup) and found.resource == "Job/ann/run-1" and "mlstack status" in found.remedy
    assert unseen({**obj, "status": {"phase": "Running"}}) == []


def test_the_last_news_are_the_newest_moment_that_objects_and_pods_tell() -> None:
    obj = {
        "metadata": {
            "creationTimestamp": "2026-11-01T10:00:00Z",
            "managedFields": [{"startTime": "2026-11-01T11:00:00Z"}],
            "labels": {"startTime": "2026-11-01T11:00:00Z"},
        },
        "spec": {"startTime": "2026-11-01T12:00:00Z"},
        "status": {
            "conditions": [{"lastTransitionTime": "2026-11-01T10:00:05Z"}],
            "completionTime": None,
            "more": [{"startTime": "noon"}, {"startedAt": "2026-11-01T11:00:00"}],
        },
    }
    assert last_news(obj, []) == datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
    runs = pod(containerStatuses=[{"state": {"running": {"startedAt": "2026-11-01T10:00:09Z"}}}])
    assert last_news(obj, [runs]) == datetime(2026, 11, 1, 10, 0, 9, tzinfo=UTC)
