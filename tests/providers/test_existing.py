"""The existing provider looks and refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterSpec, ClusterState, ImageRecord, ImageSource
from mlstack.providers.existing import DEFAULT_CLASS, ExistingProvider

SPEC = ClusterSpec("lab", "1.36.3")


def storage(name: str, default: bool = False) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {DEFAULT_CLASS: "true"} if default else None}}


def node(name: str, images: tuple[str, ...] = (), ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
            "images": [{"names": list(images)}],
            "nodeInfo": {"architecture": "arm64"},
        },
    }


@dataclass
class Api:
    version: str = "v1.35.2"
    forbidden: set[str] = field(default_factory=set)
    classes: list[dict[str, Any]] = field(default_factory=lambda: [storage("standard", default=True)])
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node("a")])
    down: bool = False
    closed: int = 0

    def server_version(self) -> str:
        if self.down:
            raise MlstackError("kube.unreachable", "the API does not answer", why="connection refused")
        return self.version

    def review(self, obj: dict[str, Any]) -> dict[str, Any]:
        asked = obj["spec"]["resourceAttributes"]
        return {"status": {"allowed": asked["resource"] not in self.forbidden}}

    def resource(self, api_version: str, kind: str) -> str:
        return kind

    def list(self, resource: str) -> list[dict[str, Any]]:
        self.server_version()
        return self.classes if resource == "StorageClass" else self.nodes

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text("apiVersion: v1")
    return path


def provider(kubeconfig: Path, api: Api, storage_class: str = "") -> ExistingProvider:
    return ExistingProvider(kubeconfig, "", lambda _path: api, storage_class=storage_class)


def test_a_good_cluster_has_no_problems(kubeconfig: Path) -> None:
    api = Api()
    assert provider(kubeconfig, api).preflight(SPEC) == []
    assert api.closed == 1


def test_everything_that_is_wrong_is_found_at_once(kubeconfig: Path) -> None:
    api = Api(version="v1.28.1", forbidden={"namespaces", "customresourcedefinitions"}, classes=[storage("slow")])
    problems = provider(kubeconfig, api).preflight(SPEC)
    assert [problem.code for problem in problems] == [
        "preflight.kubernetes-version",
        "preflight.permission",
        "preflight.storage-class",
    ]
    assert "create namespaces, create customresourcedefinitions.apiextensions.k8s.io" in problems[1].what
    assert "it has: slow" in problems[2].what
    assert all(problem.exit_code is ExitCode.PREFLIGHT and problem.remedy for problem in problems)


def test_a_cluster_without_a_default_class_will_do_when_a_stack_brings_one(kubeconfig: Path) -> None:
    api = Api(classes=[])
    (problem,) = provider(kubeconfig, api).preflight(SPEC)
    assert problem.code == "preflight.storage-class" and "local-path" in problem.remedy
    assert not ExistingProvider(kubeconfig, "", lambda _path: api, brings_class=lambda: True).preflight(SPEC)


@pytest.mark.parametrize(("wanted", "found"), [("fast", True), ("slow", False)])
def test_a_named_storage_class_must_be_there(kubeconfig: Path, wanted: str, found: bool) -> None:
    problems = provider(kubeconfig, Api(classes=[storage("fast")]), wanted).preflight(SPEC)
    assert (problems == []) is found


def test_a_kubeconfig_that_points_nowhere_is_a_preflight_error(tmp_path: Path) -> None:
    nowhere = provider(tmp_path / "none", Api())
    (problem,) = nowhere.preflight(SPEC)
    assert (problem.code, problem.exit_code) == ("kubeconfig.missing", ExitCode.PREFLIGHT)
    facts = nowhere.observe(SPEC)
    assert facts.state is ClusterState.ABSENT
    assert "there is no kubeconfig" in facts.detail


def test_an_api_that_does_not_answer_is_a_preflight_error(kubeconfig: Path) -> None:
    api = Api(down=True)
    (problem,) = provider(kubeconfig, api).preflight(SPEC)
    assert (problem.code, problem.exit_code, problem.why) == (
        "kube.unreachable",
        ExitCode.PREFLIGHT,
        "connection refused",
    )
    assert provider(kubeconfig, api).observe(SPEC).state is ClusterState.ABSENT
    assert api.closed == 2


def test_observe_tells_nodes_common_images_and_architecture(kubeconfig: Path) -> None:
    api = Api(nodes=[node("b", ("r/x:1", "r/y:1")), node("a", ("r/x:1",), ready=False)])
    facts = provider(kubeconfig, api).observe(SPEC)
    assert facts.state is ClusterState.RUNNING
    assert facts.nodes == ("a", "b")
    assert facts.images == {"r/x:1"}
    assert facts.architecture == "arm64"
    assert facts.detail == "1 of 2 nodes are not ready"


@pytest.mark.parametrize("call", ["delete", "stop"])
def test_it_refuses_to_touch_the_cluster(kubeconfig: Path, call: str) -> None:
    with pytest.raises(MlstackError) as caught:
        getattr(provider(kubeconfig, Api()), call)(SPEC, lambda _event: None, "s")
    assert (caught.value.code, caught.value.exit_code) == ("cluster.not-ours", ExitCode.PREFLIGHT)


@pytest.mark.parametrize(("call", "code"), [("create", "cluster.unreachable"), ("start", "cluster.not-ours")])
def test_create_and_start_succeed_only_when_it_runs(kubeconfig: Path, call: str, code: str) -> None:
    getattr(provider(kubeconfig, Api()), call)(SPEC, lambda _event: None, "s", lambda: False)
    with pytest.raises(MlstackError) as caught:
        getattr(provider(kubeconfig, Api(down=True)), call)(SPEC, lambda _event: None, "s", lambda: False)
    assert caught.value.code == code


def test_an_image_that_is_not_there_cannot_be_loaded(kubeconfig: Path) -> None:
    one = provider(kubeconfig, Api(nodes=[node("a", ("r/x:1",))]))
    emit = lambda _event: None  # noqa: E731
    assert one.load_image(SPEC, ImageRecord("r/x:1", "d", 1, ImageSource.BUILD), emit, "s") is False
    with pytest.raises(MlstackError) as caught:
        one.load_image(SPEC, ImageRecord("r/z:1", "d", 1, ImageSource.BUILD), emit, "s")
    assert caught.value.code == "image.not-loadable"
    assert "r/z:1" in caught.value.what
