"""The attempts of one profile on another, what their outcomes mean, and the program that makes them."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import mlstack.adapters
from mlstack.core.isolation import NO_ANSWER, Attempt, Outcome, Victim, attempts, findings, own, plurals_of, questions

PROGRAM = Path(mlstack.adapters.__file__).parent / "tenantprobe.py"
VICTIM = Victim(
    namespace="b",
    bucket="profile-b",
    pod="server",
    address="10.0.0.9",
    word="secret word",
    store="store.svc:9000",
    vault="vault",
    plurals=[("argoproj.io/v1alpha1", "workflows")],
)
API = {"kind": "api", "method": "GET", "path": "/x"}
YES, NO = Outcome(True, "200"), Outcome(False, "403")


def test_services_pods_objects_runs_and_secrets_are_attempted_through_every_way() -> None:
    tried = attempts(VICTIM)
    asked = json.dumps([one.question for one in tried])
    for part in (
        "http://10.0.0.9:8080/",
        "b.svc.cluster.local:8080/",
        "/api/v1/namespaces/b/pods",
        "/api/v1/namespaces/b/secrets/profile-b",
        "/pods/server/log",
        "/apis/argoproj.io/v1alpha1/namespaces/b/workflows",
        "/api/v1/namespaces/vault/secrets/profile-b",
        "/profile-b/mlstack-verify",
    ):
        assert part in asked
    assert len({one.name for one in tried}) == len(tried) >= 18
    writing = [one.question for one in tried if one.question.get("method") in ("POST", "DELETE") and "/api" in str(one)]
    assert writing and all("dryRun=All" in one["path"] for one in writing), "nothing of the victim's is really changed"


def test_the_attacker_is_asked_for_its_own_things() -> None:
    asked = json.dumps([one.question for one in own(replace(VICTIM, namespace="a", bucket="profile-a"))])
    assert "/namespaces/a/" in asked and "/profile-a/" in asked and "profile-b" not in asked


@pytest.mark.parametrize(
    ("stranger", "owner", "more", "error"),
    [
        (NO, YES, {}, ""),
        (YES, YES, {}, "another profile may: 200"),
        (NO, NO, {}, "nothing is proved"),
        (YES, NO, {"optional": True}, "another profile may"),
        (NO, NO, {"of_platform": True}, ""),
        (YES, None, {"of_platform": True}, "another profile may"),
        (None, YES, {}, "not tried"),
        (NO, None, {}, "not tried"),
        (Outcome(False, f"{NO_ANSWER} timeout"), YES, {}, "nobody answered"),
    ],
)
def test_what_an_outcome_means(stranger: Outcome | None, owner: Outcome | None, more: dict, error: str) -> None:
    one = Attempt("read a secret", API, **more)
    (found,) = findings([one], {0: stranger} if stranger else {}, {0: owner} if owner else {})
    assert error in found.error and bool(error) is bool(found.error)


def test_what_not_even_the_owner_is_given_says_nothing() -> None:
    assert list(findings([Attempt("list x", API, optional=True)], {0: NO}, {0: NO})) == []


def test_a_page_that_does_not_answer_is_what_is_wanted() -> None:
    page = Attempt("reach a pod", {"kind": "page", "url": "http://x/", "word": "w"})
    (found,) = findings([page], {0: Outcome(False, f"{NO_ANSWER} TimeoutError")}, {0: YES})
    assert found.error == ""


def test_resources_in_namespaces_are_found_in_what_is_rendered() -> None:
    def definition(scope: str, plural: str) -> dict:
        versions = [{"name": "v1beta1", "served": False}, {"name": "v1", "served": True}]
        spec = {"scope": scope, "group": "example.org", "names": {"plural": plural}, "versions": versions}
        return {"kind": "CustomResourceDefinition", "spec": spec}

    objects = [definition("Namespaced", "runs"), definition("Cluster", "realms"), {"kind": "ConfigMap"}]
    assert plurals_of(objects) == [("example.org/v1", "runs")]


class Store(http.server.BaseHTTPRequestHandler):
    """Refuses everything but what was signed with the right key id, and a page."""

    def do_GET(self) -> None:
        signed = self.headers.get("Authorization", "")
        good = self.path == "/page" or "Credential=mine/" in signed
        body = b"the word" if good else b"<Error><Code>AccessDenied</Code></Error>"
        self.send_response(200 if good else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def outcomes(asked: list[dict], key: str) -> dict[int, dict]:
    environ = {**os.environ, "QUESTIONS": json.dumps(asked), "STORE_KEY": key, "STORE_SECRET": "x" * 40, "WORD": ""}
    program = PROGRAM.read_text()
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    return {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}


def test_the_program_tells_what_it_reached_and_what_refused_it(port: int) -> None:
    page = {"kind": "page", "url": f"http://127.0.0.1:{port}/page", "word": "the word"}
    stored = {"kind": "object", "endpoint": f"127.0.0.1:{port}", "method": "GET", "path": "/profile-b/x"}
    tried = [Attempt("page", page), Attempt("object", stored)]
    got = outcomes(questions(tried, wanted=True), "mine")
    assert [got[number]["reached"] for number in (0, 1)] == [True, True]
    refused = outcomes(questions(tried[1:], wanted=False), "other")[0]
    assert (refused["reached"], refused["told"]) == (False, "403 AccessDenied")


def test_the_program_says_when_nobody_answered() -> None:
    closed = {"kind": "page", "url": "http://127.0.0.1:9/", "word": "x"}
    (told,) = outcomes(questions([Attempt("page", closed)], wanted=False), "mine").values()
    assert told["reached"] is False and told["told"].startswith(NO_ANSWER)
