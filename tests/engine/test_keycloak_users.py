"""Users of Keycloak over its admin API: who wins, what is made as wanted, and the way back after a lost password."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakekeycloak import FIXED, FakeKeycloak

from mlstack.adapters.users import open_users
from mlstack.core.errors import MlstackError
from mlstack.core.people import Account, User

EXPORTS = {
    "users": "admin.keycloak.org", "namespace": "keycloak", "service": "keycloak", "port": "8080", "path": "/keycloak",
    "realm": "mlstack", "selector": "a=b", "adminSecret": "admin", "clientId": "mlstack", "clientSecret": "client",
    "callback": "https://new/cb",
}  # fmt: skip
ANN = User("ann", "ann@lab.localhost", ("lab", "readers"))
POD = {
    "metadata": {"name": "pod", "namespace": "keycloak"},
    "spec": {},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


class Cluster:
    """What the adapter asks of Kubernetes: two Secrets, a forwarded port, a command in a pod."""

    def __init__(self, port: int, server: FakeKeycloak) -> None:
        self.port, self.server, self.commands = port, server, 0

    def get(self, rid):
        words = {"admin": {"username": "admin", "password": "right"}, "client": {"client-secret": "new"}}[rid.name]
        return {"data": {key: base64.b64encode(word.encode()).decode() for key, word in words.items()}}

    def forward(self, namespace, service, port):
        assert (namespace, service, port) == ("keycloak", "keycloak", 8080)
        return contextlib.nullcontext(self.port)

    def resource(self, *_):
        return "pods"

    def list(self, *_):
        return [POD]

    def execute(self, namespace, pod, command, *, stdin="", timeout=0.0):
        self.commands += 1
        assert stdin.strip() not in " ".join(command), "a password is never an argument"
        self.server.admins[command[-1]] = stdin.strip()
        return 0, "", ""


@pytest.fixture
def server() -> FakeKeycloak:
    return FakeKeycloak()


@pytest.fixture
def cluster(server: FakeKeycloak) -> Iterator[Cluster]:
    with server.serving() as port:
        yield Cluster(port, server)


@pytest.fixture
def users(cluster: Cluster):
    return open_users(cluster, EXPORTS)


def test_a_user_is_added_listed_changed_and_removed(users, server) -> None:
    users.add(Account(ANN, "up"), "a long password")
    assert users.list() == [Account(ANN, "up")] and server.passwords["ann"] == "a long password"
    assert not users.update(ANN)
    other = User("ann", "a@lab.localhost", ("admins", "lab"))
    assert users.update(other) and users.list() == [Account(other, "up")]
    users.set_password("ann", "another one")
    assert server.passwords["ann"] == "another one"
    assert users.remove("ann") and not users.remove("ann") and users.list() == []


def test_of_many_who_add_the_same_user_one_wins(users) -> None:
    def add(number: int) -> str:
        try:
            users.add(Account(ANN), f"password {number}")
        except MlstackError as error:
            return error.code
        return "added"

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(add, range(8)))
    assert found == ["added", *["users.exists"] * 7]


def test_who_has_a_name_or_an_e_mail_is_said(users) -> None:
    users.add(Account(ANN), "a long password")
    with pytest.raises(MlstackError) as caught:
        users.add(Account(User("eve", ANN.email)), "a long password")
    assert "belongs to user 'ann'" in caught.value.what and "--email" in caught.value.remedy
    with pytest.raises(MlstackError) as caught:
        users.add(Account(User("ann", "other@lab.localhost")), "a long password")
    assert "there is a user 'ann'" in caught.value.what
    for act in (lambda: users.set_password("nobody", "x"), lambda: users.update(User("nobody", "n@b"))):
        with pytest.raises(MlstackError) as caught:
            act()
        assert caught.value.code == "users.unknown"


def test_the_realm_is_made_as_this_instance_needs_it(users, server) -> None:
    users.add(Account(ANN), "a long password")
    assert server.client == {**FIXED, "secret": "new", "redirectUris": ["https://new/cb"]}
    assert server.profile == {"attributes": [{"name": "firstName"}], "unmanagedAttributePolicy": "ADMIN_EDIT"}


def test_an_administrator_with_another_password_gets_the_secrets_and_the_helper_goes(users, server, cluster) -> None:
    server.admins["admin"] = "of an earlier cluster"
    assert users.list() == [] and users.list() == []
    assert server.admins == {"admin": "right"} and cluster.commands == 1


def test_a_server_that_fails_is_named_without_a_traceback(users, server, monkeypatch) -> None:
    monkeypatch.setattr(server, "answer", lambda *_: (500, {"error": "boom"}))
    with pytest.raises(MlstackError) as caught:
        users.list()
    assert caught.value.code == "users.store-failed" and "boom" in caught.value.why


def test_a_server_that_is_not_there_yet_is_no_store_yet(users, cluster, monkeypatch) -> None:
    """The facts of a plan are gathered before a chosen stack exists; ``up`` has to go on then."""

    def nobody(*_: object) -> None:
        raise MlstackError("kube.no-backend", "Service cannot be reached")

    for name, act in (("forward", nobody), ("get", lambda _rid: None)):
        monkeypatch.setattr(cluster, name, act)
        with pytest.raises(MlstackError) as caught:
            users.list()
        assert caught.value.code == "users.store-failed"
