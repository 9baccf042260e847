"""Samples of every kind are started, followed to their end and read in the same way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlstack.core.errors import MlstackError
from mlstack.core.events import LogLine, SampleStep
from mlstack.core.ports import ApiResource, WatchEvent
from mlstack.core.samplefile import Follow
from mlstack.engine.samplekinds import PipelineKind, ResourceKind, WorkflowKind
from mlstack.engine.samples import SampleRunner

PIPELINE = {
    "apiVersion": "pipelines.kubeflow.org/v2beta1",
    "kind": "Run",
    "metadata": {"generateName": "iris-", "namespace": "ann", "labels": {}},
    "spec": {"parameters": {"c": 1.0}, "pipeline": {"pipelineInfo": {"name": "iris"}}},
}
WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "hello-", "namespace": "ann"},
    "spec": {},
}


def state(phase: str, nodes: Mapping[str, Any], ended: bool = False) -> dict[str, Any]:
    status = {"phase": phase, "nodes": nodes, **({"finishedAt": "2026-11-01T10:00:30Z"} if ended else {})}
    return {**WORKFLOW, "metadata": {"name": "w-1", "namespace": "ann"}, "status": status}


def pod_node(name: str, phase: str) -> dict[str, Any]:
    shown = name.rpartition(".")[2]
    return {"type": "Pod", "name": name, "displayName": shown, "phase": phase, "startedAt": "2026-11-01T10:00:00Z"}


class Cluster:
    """A cluster in which one workflow goes its way while it is watched."""

    def __init__(self, *states: dict[str, Any], served: bool = True) -> None:
        self.states, self.served = states, served
        self.created: list[dict[str, Any]] = []
        self.watched: list[dict[str, Any]] = []
        self.read = threading.Event()

    def resource(self, api_version: str, kind: str) -> ApiResource | None:
        known = kind == "Pod" or self.served
        return ApiResource(api_version, kind, kind.lower() + "s", True) if known else None

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.created.append(obj)
        return {**obj, "metadata": {"name": "w-1", "namespace": obj["metadata"]["namespace"]}}

    def watch(self, resource: ApiResource, **asked: Any) -> Iterator[WatchEvent]:
        self.watched.append({"kind": resource.kind, **asked})
        if resource.kind == "Pod":
            running = {"containerStatuses": [{"name": "main", "state": {"running": {}}}]}
            yield WatchEvent("ADDED", {"metadata": {"name": "pod-1"}, "status": running})
            return
        for one in self.states:
            if one["status"].get("finishedAt"):
                assert self.read.wait(20), "a step's log is read while it runs"
            yield WatchEvent("MODIFIED", one)

    def logs(self, namespace: str, pod: str, container: str, *, follow: bool) -> Iterator[str]:
        yield f"said by {namespace}/{pod}/{container}"
        self.read.set()


class Server:
    """What runs pipelines."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []

    def submit(self, obj: dict[str, Any]) -> str:
        self.submitted.append(obj)
        return "run-7"

    def record(self, namespace: str, run: str) -> dict[str, Any]:
        assert (namespace, run) == ("ann", "run-7")
        return {"steps": [{"name": "train", "results": {"rows": 5.0}}]}


def run(cluster: Cluster, kind: Any, obj: dict[str, Any], results: Mapping[str, str], watch: bool = True):
    events: list[Any] = []
    result = SampleRunner(cluster, kind, events.append, lambda: False).run("s", obj, results, watch)
    return result, events


ENDED = {"n1": pod_node("w-1.root.train.executor", "Succeeded"), "n0": pod_node("w-1.root-driver", "Succeeded")}


def test_a_pipeline_is_followed_as_the_workflow_it_became() -> None:
    first = state("Running", {"n1": pod_node("w-1.root.train.executor", "Running")})
    cluster, server = Cluster(first, state("Succeeded", ENDED, ended=True)), Server()
    result, events = run(cluster, PipelineKind(cluster, server), PIPELINE, {"rows": "parameter:train/rows"})
    assert server.submitted == [PIPELINE]
    assert cluster.created == []
    assert (result.run, result.phase, result.results) == ("run-7", "Succeeded", {"rows": "5"})
    steps = [(one.name, one.phase) for one in events if isinstance(one, SampleStep)]
    assert steps == [("train", "Running"), ("train", "Succeeded")]
    assert {one["selector"] for one in cluster.watched} == {"pipeline/runid=run-7"}
    assert [one.text for one in events if isinstance(one, LogLine)] == ["said by ann/pod-1/main"]


def test_a_workflow_is_followed_by_its_name() -> None:
    outputs = {"parameters": [{"name": "sum", "value": "5"}]}
    ended = state("Failed", {"n": {**pod_node("w-1.add", "Failed"), "outputs": outputs}}, ended=True)
    cluster = Cluster(ended)
    result, _ = run(cluster, WorkflowKind(cluster), WORKFLOW, {"sum": "parameter:add/sum"})
    assert (result.run, result.phase, result.results, result.ok) == ("w-1", "Failed", {"sum": "5"}, False)
    watched = next(one for one in cluster.watched if one["kind"] == "Workflow")
    assert (watched["fields"], watched["selector"]) == ("metadata.name=w-1", "")


JOB = {"apiVersion": "example.org/v1", "kind": "Job", "metadata": {"generateName": "job-", "namespace": "ann"}}
FOLLOW = Follow(
    resource="jobs",
    plain=["true"],
    succeeded="Complete",
    pods="job={name}",
    container="node",
    progress="{status.done} done",
    lines="said (.+)",
)


def job(done: int, **conditions: str) -> dict[str, Any]:
    told = [{"type": kind, "status": "True", "message": message} for kind, message in conditions.items()]
    status = {"done": done, "conditions": told, "finishedAt": "" if "Complete" not in conditions else "now"}
    return {**JOB, "metadata": {"name": "w-1", "namespace": "ann"}, "status": status}


class JobCluster(Cluster):
    """One whose pods say a record when they are asked again."""

    def list(self, resource: ApiResource, namespace: str, selector: str) -> list[dict[str, Any]]:
        assert (resource.kind, namespace, selector) == ("Pod", "ann", "job=w-1")
        return [{"metadata": {"name": "pod-1"}}]

    def logs(self, namespace: str, pod: str, container: str, *, follow: bool = False) -> Iterator[str]:
        if follow:
            yield from super().logs(namespace, pod, container, follow=follow)
            yield "of no interest"
        else:
            yield '{"loss": 0.5}'

    def watch(self, resource: ApiResource, **asked: Any) -> Iterator[WatchEvent]:
        for event in super().watch(resource, **asked):
            for one in event.object["status"].get("containerStatuses", []):
                one["name"] = "node"
            yield event


def test_an_object_of_any_kind_is_followed_by_its_conditions() -> None:
    cluster = JobCluster(job(0, Running="runs"), job(1, Running="runs"), job(2, Running="runs", Complete="fine"))
    wanted = {"loss": "log:loss", "done": "object:status.done"}
    result, events = run(cluster, ResourceKind(cluster, FOLLOW), JOB, wanted)
    assert (result.run, result.phase, result.results, result.message) == (
        "w-1",
        "Succeeded",
        {"loss": "0.5", "done": "2"},
        "",
    )
    told = [(one.phase, one.message) for one in events if isinstance(one, SampleStep)]
    assert told == [("Running", "0 done"), ("Running", "1 done"), ("Succeeded", "2 done")]
    assert [one.text for one in events if isinstance(one, LogLine)] == ["by ann/pod-1/node"]


def test_one_that_fails_says_why() -> None:
    cluster = JobCluster(job(0, Failed="no node was left"))
    cluster.read.set()
    result, _ = run(cluster, ResourceKind(cluster, FOLLOW), JOB, {})
    assert (result.phase, result.message, result.ok) == ("Failed", "no node was left", False)


def test_of_one_that_fails_the_parts_that_did_are_named() -> None:
    cluster = JobCluster(job(0, Failed="1 of 2 failed"))
    cluster.read.set()
    told = {"name": "node", "state": {"terminated": {"exitCode": 3, "finishedAt": "now", "reason": "Error"}}}
    failed = {"metadata": {"name": "pod-2"}, "status": {"phase": "Failed", "containerStatuses": [told]}}
    cluster.list = lambda *_, **__: [{"metadata": {"name": "pod-1"}}, failed]  # type: ignore[method-assign]
    _, events = run(cluster, ResourceKind(cluster, FOLLOW), JOB, {})
    steps = [(one.name, one.phase, one.message) for one in events if isinstance(one, SampleStep)]
    assert steps == [
        ("w-1", "Failed", "1 of 2 failed"),
        ("pod-2", "Failed", "container node ended with exit code 3; its log tells why"),
    ]


@pytest.mark.parametrize("kind", [WorkflowKind, lambda cluster: ResourceKind(cluster, FOLLOW)])
def test_what_the_cluster_refuses_is_the_parameters_fault(kind) -> None:
    cluster = Cluster()

    def refuse(obj: dict[str, Any]) -> dict[str, Any]:
        raise MlstackError("kube.invalid", "no", why="spec.parallel: too many")

    cluster.create = refuse  # type: ignore[method-assign]
    with pytest.raises(MlstackError) as caught:
        run(cluster, kind(cluster), WORKFLOW, {})
    assert (caught.value.code, caught.value.why, caught.value.exit_code) == (
        "sample.refused",
        "spec.parallel: too many",
        2,
    )


def test_a_step_that_waits_says_for_what_once() -> None:
    def waiting(message: str) -> dict[str, Any]:
        return state("Running", {"n": {**pod_node("w-1.train", "Pending"), "message": message}})

    cluster = Cluster(
        waiting("ContainerCreating"),
        waiting("ImagePullBackOff: no such image"),
        waiting("ImagePullBackOff: no such image"),
        state("Succeeded", {}, ended=True),
    )
    _, events = run(cluster, WorkflowKind(cluster), WORKFLOW, {})
    told = [(one.phase, one.message) for one in events if isinstance(one, SampleStep)]
    assert told[0] == ("Pending", "") and len(told) == 2
    assert told[1][1].startswith("ImagePullBackOff: no such image; name an image that")


def test_without_watch_it_is_only_started() -> None:
    cluster, server = Cluster(), Server()
    result, _ = run(cluster, PipelineKind(cluster, server), PIPELINE, {"rows": "parameter:train/rows"}, watch=False)
    assert (result.phase, result.results, cluster.watched) == ("Pending", {}, [])


@pytest.mark.parametrize("kind", [WorkflowKind, lambda cluster: PipelineKind(cluster, Server())])
def test_a_cluster_that_knows_no_workflows_is_told(kind) -> None:
    cluster = Cluster(served=False)
    with pytest.raises(MlstackError) as caught:
        run(cluster, kind(cluster), WORKFLOW, {})
    assert caught.value.code == "sample.not-served"


def test_a_run_that_is_deleted_meanwhile_is_told() -> None:
    cluster = Cluster()
    cluster.watch = lambda *_, **__: iter([WatchEvent("DELETED", state("Running", {}))])  # type: ignore[method-assign]
    with pytest.raises(MlstackError) as caught:
        run(cluster, WorkflowKind(cluster), WORKFLOW, {})
    assert caught.value.code == "sample.deleted"
