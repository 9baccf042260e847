"""The database adapter: what it sends to the server's pod, what it refuses; the program itself is played by a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlstack.adapters.database import SCRIPT, PodDatabase
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.ports import ApiResource

EXPORTS = {
    "namespace": "db",
    "workload": "mysql",
    "container": "mysql",
    "client": "mysql",
    "secret": "root",
    "passwordField": "password",
}
PASSWORD = "canary0123456789canary"


class FakeKube:
    def __init__(self, answers=()):
        self.sent, self.answers = [], list(answers)
        self.ready = "True"

    def get(self, rid):
        if rid == ResourceId("Secret", "root", "db"):
            return {"data": {"password": "cm9vdC1wYXNzd29yZA=="}}
        if rid == ResourceId("Deployment", "mysql", "db", "apps/v1"):
            return {"spec": {"selector": {"matchLabels": {"app": "mysql"}}}}
        return None

    def resource(self, api_version, kind):
        return ApiResource(api_version, kind, "pods", True)

    def list(self, resource, selector="", namespace=""):
        assert (selector, namespace) == ("app=mysql", "db")
        return [{"metadata": {"name": "mysql-1"}, "status": {"conditions": [{"type": "Ready", "status": self.ready}]}}]

    def execute(self, namespace, pod, command, *, container="", stdin="", timeout=60.0):
        self.sent.append((namespace, pod, tuple(command), container, stdin))
        return self.answers.pop(0) if self.answers else (0, "", "")


def test_a_database_that_is_there_is_left_alone():
    kube = FakeKube([(0, "1\n", "")])
    assert PodDatabase(kube, EXPORTS).ensure_database("pipelines") is False
    assert len(kube.sent) == 1
    kube = FakeKube([(0, "0\n", "")])
    assert PodDatabase(kube, EXPORTS).ensure_database("pipelines") is True
    assert "CREATE DATABASE IF NOT EXISTS `pipelines`" in kube.sent[1][4]


def test_passwords_travel_on_the_standard_input_only():
    kube = FakeKube()
    PodDatabase(kube, EXPORTS).ensure_user("me", PASSWORD, "my_db")
    (sent,) = kube.sent
    assert sent[:2] == ("db", "mysql-1") and sent[3] == "mysql"
    assert PASSWORD not in " ".join(sent[2]) and "root-password" not in " ".join(sent[2])
    assert sent[4].startswith("root-password\n") and PASSWORD in sent[4]
    assert "GRANT ALL PRIVILEGES ON `my\\_db`.* TO 'me'@'%'" in sent[4]


@pytest.mark.parametrize("name", ["a'b", "a`b", "a b", "", "A", "1a", "a;drop", "a\\", "x" * 64])
def test_names_that_could_leave_their_quotes_are_refused(name):
    kube = FakeKube()
    for call in (
        lambda db: db.ensure_database(name),
        lambda db: db.ensure_user(name, PASSWORD, "db"),
        lambda db: db.ensure_user("me", PASSWORD, name),
    ):
        with pytest.raises(MlstackError) as caught:
            call(PodDatabase(kube, EXPORTS))
        assert caught.value.code == "database.failed"
    assert kube.sent == []


@pytest.mark.parametrize("password", ["canary' OR 1", "canary`canary`can", "short", "canary\ncanarycanary"])
def test_a_password_that_does_not_fit_is_refused_and_not_repeated(password):
    with pytest.raises(MlstackError) as caught:
        PodDatabase(FakeKube(), EXPORTS).ensure_user("me", password, "db")
    assert "canary" not in str(caught.value)


def test_an_error_of_the_client_is_told_without_quoted_values():
    kube = FakeKube([(1, "", f"ERROR 1064 (42000) at line 1: near 'IDENTIFIED BY '{PASSWORD}'' at line 1")])
    with pytest.raises(MlstackError) as caught:
        PodDatabase(kube, EXPORTS).ensure_database("db")
    assert "ERROR 1064" in caught.value.why and "canary" not in str(caught.value)


def test_no_ready_pod_and_an_unknown_client_are_told():
    kube = FakeKube()
    kube.ready = "False"
    with pytest.raises(MlstackError, match="no pod of the server is ready"):
        PodDatabase(kube, EXPORTS).ensure_database("db")
    with pytest.raises(MlstackError, match="no known client"):
        PodDatabase(FakeKube(), {**EXPORTS, "client": "psql"}).ensure_database("db")


def test_the_script_hands_the_password_to_the_client_by_a_pipe(tmp_path: Path):
    client = tmp_path / "client"
    client.write_text(
        '#!/bin/sh\necho "arguments: $*"\necho "options: $(cat "${1#*=}" | tr "\\n" " ")"\necho "sql: $(cat)"\n'
    )
    client.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", SCRIPT, str(client)],
        input="root-password\nSELECT 1;\n",
        capture_output=True,
        text=True,
        check=True,
    )
    arguments, options, sql = done.stdout.splitlines()
    assert "root-password" not in arguments and "--user=root" in arguments
    assert options.split() == ["options:", "[client]", "password=root-password"] and sql == "sql: SELECT 1;"
