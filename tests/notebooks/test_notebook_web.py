"""Opening a notebook's page wakes it, nothing else does; the page says what it waits for; links are one's own."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from http import HTTPStatus

import pytest
from notebookworld import Memory, notebook, site

from mlstack_notebooks.site import groups_of, namespace_of
from mlstack_notebooks.web import answer, make_server

PAGE = {"accept": "text/html,*/*"}


def ask(memory: Memory, path: str = "/notebooks/ann/lab", method: str = "GET", **headers: str):
    given = {key.replace("_", "-"): value for key, value in headers.items()} or PAGE
    return answer(memory, site(), method, path, given)


def test_opening_the_page_of_a_notebook_that_sleeps_wakes_it(memory) -> None:
    memory.put(notebook("ann", replicas=0, ready=0))
    status, kind, text = ask(memory)
    assert memory.scaled == [("ann", 1)]
    assert status is HTTPStatus.SERVICE_UNAVAILABLE and kind.startswith("text/html")
    assert 'http-equiv="refresh"' in text and "notebook of ann is starting" in text


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"accept": "application/json"}),
        ("GET", {"accept": "text/html", "sec_fetch_mode": "cors"}),
        ("POST", {"accept": "text/html"}),
        ("PUT", {"accept": "text/html"}),
    ],
)
def test_what_a_forgotten_tab_asks_does_not_wake_it(memory, method: str, headers: dict[str, str]) -> None:
    memory.put(notebook("ann", replicas=0, ready=0))
    status, kind, text = ask(memory, "/notebooks/ann/api/kernels", method, **headers)
    assert memory.scaled == [] and status is HTTPStatus.SERVICE_UNAVAILABLE
    assert kind == "application/json" and "asleep" in json.loads(text)["error"]


def test_one_that_starts_is_not_started_again_and_says_what_it_waits_for(memory) -> None:
    memory.put(notebook("ann", ready=0))
    warning = {
        "type": "Warning",
        "reason": "FailedCreate",
        "message": "exceeded quota: profile, <requested>: limits.memory=2Gi",
        "involvedObject": {"kind": "StatefulSet", "name": "notebook"},
        "lastTimestamp": "2",
    }
    older = {**warning, "message": "older", "lastTimestamp": "1"}
    other = {**warning, "message": "other", "lastTimestamp": "3", "involvedObject": {"name": "else"}}
    memory.objects["api/v1/namespaces/ann/events"] = {"items": [warning, older, other]}
    _, _, text = ask(memory)
    assert memory.scaled == []
    assert "FailedCreate: exceeded quota: profile, &lt;requested&gt;: limits.memory=2Gi" in text


def test_a_container_says_itself_why_it_waits(memory) -> None:
    memory.put(notebook("ann", ready=0))
    held = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    memory.objects["api/v1/namespaces/ann/pods"] = {"items": [{"status": {"containerStatuses": [held]}}]}
    assert "ErrImagePull: no such image" in ask(memory)[2]
    held["state"]["waiting"] = {"reason": "ContainerCreating"}
    assert "It waits" not in ask(memory)[2]


def test_unknown_ones_and_a_silent_cluster(memory) -> None:
    assert ask(memory, "/notebooks/eve/lab")[0] is HTTPStatus.NOT_FOUND
    assert ask(memory, "/notebooks/ann/lab")[0] is HTTPStatus.NOT_FOUND, "no StatefulSet"
    memory.broken = True
    status, _, text = ask(memory)
    assert status is HTTPStatus.SERVICE_UNAVAILABLE and "does not answer" in json.loads(text)["error"]


def header(*groups: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(groups).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("user", "groups", "links"),
    [
        ("ann@lab", "", ["ann"]),
        ("eve@lab", header("writers", "staff"), ["ann"]),
        ("root@lab", header("admins"), ["ann", "bob"]),
        ("eve@lab", header("staff"), []),
        ("", "", []),
    ],
)
def test_the_links_are_those_of_the_caller(memory, user: str, groups: str, links: list[str]) -> None:
    memory.put(notebook("ann"), notebook("bob", replicas=0, ready=0))
    status, _, text = ask(memory, "/my-notebooks/", kubeflow_userid=user, kubeflow_groups=groups)
    assert status is HTTPStatus.OK
    assert [name for name in ("ann", "bob") if f'href="/notebooks/{name}/lab"' in text] == links
    assert ("2Gi of memory" in text) == bool(links)
    assert ("running" in text) == ("ann" in links) and ("asleep" in text) == ("bob" in links)


@pytest.mark.parametrize("text", ["", "%%%", base64.b64encode(b'{"a": 1}').decode(), base64.b64encode(b"x").decode()])
def test_groups_that_are_none(text: str) -> None:
    assert groups_of(text) == []


def test_paths() -> None:
    assert [namespace_of(path) for path in ("/notebooks/ann/lab?x=/", "/notebooks/ann", "/other/ann")] == [
        "ann",
        "ann",
        "",
    ]


def test_the_server_answers_probes_and_errors(memory) -> None:
    server = make_server(memory, site(), ("127.0.0.1", 0), lambda: False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(url + path, timeout=5) as got:  # noqa: S310
                return got.status
        except urllib.error.HTTPError as error:
            return error.code

    assert [status(path) for path in ("/alive", "/ready", "/notebooks/eve/lab", "/my-notebooks/")] == [
        200,
        503,
        404,
        200,
    ]
    server.shutdown()
    server.server_close()


def test_the_link_leads_to_the_editors_own_page(memory: Memory) -> None:
    wanted = site(notebooks={"ann": {"users": ["ann@lab"], "groups": [], "editor": "code-server"}})
    text = answer(memory, wanted, "GET", "/my-notebooks/", {"kubeflow-userid": "ann@lab"})[2]
    assert 'href="/notebooks/ann/"' in text
