"""Routes follow the notebooks that answer, and no others; the authority gets into the namespaces."""

from __future__ import annotations

import threading
from pathlib import Path

from notebookworld import Memory, notebook, site

from mlstack_notebooks.follow import Follower
from mlstack_pod.kube import KubeError

VIRTUAL = "apis/networking.istio.io/v1/namespaces/notebooks/virtualservices/notebooks"


def follower(memory: Memory, tmp_path: Path, pem: str = "") -> Follower:
    file = tmp_path / "ca.crt"
    if pem:
        file.write_text(pem)
    return Follower(memory, site(), file)


def routes(memory: Memory) -> dict[str, str]:
    spec = memory.objects[VIRTUAL]["spec"]
    return {one["match"][0]["uri"]["prefix"]: one["route"][0]["destination"]["host"] for one in spec["http"]}


REST = {"/notebooks/": "notebooks.notebooks.svc.cluster.local"}
ANN = {"/notebooks/ann/": "notebook.ann.svc.cluster.local"}


def test_a_notebook_that_answers_has_a_route_and_one_that_sleeps_comes_to_the_program(memory, tmp_path) -> None:
    memory.put(notebook("ann"), notebook("bob", replicas=0, ready=0))
    one = follower(memory, tmp_path)
    assert not one.synced.is_set() and one.read() == "7" and one.synced.is_set()
    assert routes(memory) == ANN | REST
    assert list(routes(memory))[-1] == "/notebooks/", "the shortest prefix takes what is left"


PODS = "api/v1/namespaces/ann/pods"
CODE = {"metadata": {"name": "notebook-0", "labels": {"mlstack.dev/editor": "code-server"}}}


def rewrites(memory: Memory) -> list[object]:
    return [one.get("rewrite") for one in memory.objects[VIRTUAL]["spec"]["http"]]


def test_the_prefix_is_dropped_before_an_editor_that_does_not_know_it(memory, tmp_path) -> None:
    memory.put(notebook("ann"), notebook("bob"))
    memory.objects[PODS] = {"items": [CODE]}
    follower(memory, tmp_path).read()
    assert [*routes(memory)] == ["/notebooks/ann/", "/notebooks/bob/", "/notebooks/"]
    assert rewrites(memory) == [{"uri": "/"}, None, None]


def test_the_route_is_for_what_runs_not_for_what_is_configured_since(memory, tmp_path) -> None:
    memory.put(notebook("ann"))
    wanted = site(notebooks={"ann": {"users": [], "groups": [], "editor": "code-server"}})
    memory.objects[PODS] = {"items": [{"metadata": {"name": "notebook-0", "labels": {}}}]}
    Follower(memory, wanted, tmp_path / "ca.crt").read()
    assert rewrites(memory) == [None, None], "JupyterLab runs until its next start"
    memory.changes = [[("MODIFIED", notebook("ann"))]]
    one = Follower(memory, wanted, tmp_path / "ca.crt")
    one.read()
    memory.objects[PODS] = {"items": [CODE]}
    one._follow("7")
    assert rewrites(memory) == [{"uri": "/"}, None]


def test_pods_that_cannot_be_read_leave_what_is_configured(memory, tmp_path, monkeypatch) -> None:
    memory.put(notebook("ann"))
    wanted = site(notebooks={"ann": {"users": [], "groups": [], "editor": "code-server"}})
    asked = memory.get

    def get(path: str):
        if "/pods" in path:
            raise KubeError(403, "pods is forbidden")
        return asked(path)

    monkeypatch.setattr(memory, "get", get)
    Follower(memory, wanted, tmp_path / "ca.crt").read()
    assert rewrites(memory) == [{"uri": "/"}, None]


def test_what_is_called_notebook_elsewhere_gets_no_route(memory, tmp_path) -> None:
    memory.put(notebook("eve"), notebook("ann", name="other"))
    follower(memory, tmp_path).read()
    assert routes(memory) == REST


def test_changes_are_followed(memory, tmp_path) -> None:
    memory.put(notebook("ann"))
    seen: list[dict[str, str]] = []
    ended = threading.Event()
    memory.changes = [
        [("MODIFIED", notebook("ann", replicas=0, ready=0))],
        [("MODIFIED", notebook("bob"))],
    ]
    one = follower(memory, tmp_path)
    one.run(ended, pause=lambda _: ended.set())
    seen = [
        {each["match"][0]["uri"]["prefix"]: "" for each in obj["spec"]["http"]}.keys() - REST.keys()
        for obj in memory.applied
    ]
    assert [*map(sorted, seen)][:2] == [["/notebooks/ann/"], []]
    assert {"/notebooks/bob/"} in [{*each} - {"/notebooks/ann/"} for each in seen]


def test_a_deleted_notebook_loses_its_route(memory, tmp_path) -> None:
    memory.put(notebook("ann"))
    one = follower(memory, tmp_path)
    one.read()
    memory.changes = [[("DELETED", notebook("ann"))]]
    one._follow("7")
    assert routes(memory) == REST


def test_what_agrees_is_not_written_again(memory, tmp_path) -> None:
    memory.put(notebook("ann"))
    follower(memory, tmp_path).read()
    follower(memory, tmp_path).read()
    assert len(memory.applied) == 1


def test_the_authority_is_told_where_it_is_another_one(memory, tmp_path) -> None:
    for name in ("ann", "bob"):
        memory.objects[f"api/v1/namespaces/{name}/configmaps/platform-authority"] = {"metadata": {"name": "x"}}
    memory.put()
    follower(memory, tmp_path, "PEM").read()
    told = [one for one in memory.applied if one["kind"] == "ConfigMap"]
    assert [(one["metadata"]["namespace"], one["data"]) for one in told] == [
        ("ann", {"ca.crt": "PEM"}),
        ("bob", {"ca.crt": "PEM"}),
    ]
    follower(memory, tmp_path, "PEM").read()
    assert len([one for one in memory.applied if one["kind"] == "ConfigMap"]) == 2


def test_a_namespace_that_is_not_made_yet_does_not_stop_the_others(memory, tmp_path) -> None:
    memory.objects["api/v1/namespaces/bob/configmaps/platform-authority"] = {"metadata": {"name": "x"}}
    memory.put()
    follower(memory, tmp_path, "PEM").read()
    assert [one["metadata"]["namespace"] for one in memory.applied if one["kind"] == "ConfigMap"] == ["bob"]


def test_a_cluster_that_does_not_answer_is_asked_again(memory, tmp_path) -> None:
    memory.put(notebook("ann"))
    memory.broken = True
    ended, waits = threading.Event(), []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        memory.broken = False
        if len(waits) == 2:
            ended.set()

    follower(memory, tmp_path).run(ended, pause)
    assert len(waits) == 2 and routes(memory) == ANN | REST
