"""Sessions end when a user is removed: by command and by ``up``, and a store that refuses is told."""

from __future__ import annotations

import base64

import pytest
from test_users import ADMIN, ANN, EXPORTS, dex, quick  # noqa: F401 - fixtures
from world import stack

from mlstack.adapters.sessions import open_sessions
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId

LOGIN = {
    "sessions": "redis",
    "sessionsNamespace": "login",
    "sessionsWorkload": "store",
    "sessionsSecret": "word",
    "sessionsField": "password",
}
WORD = "canary-session-word"


class Kube:
    """One session store. said: what its client answers."""

    def __init__(self, said="OK\nOK\n", code=0, phase="Running", there=True) -> None:
        self.said, self.code, self.phase, self.there = said, code, phase, there
        self.asked: list[tuple] = []

    def resource(self, _version, kind):
        return kind

    def get(self, rid: ResourceId):
        if rid.kind == "Secret":
            return {"data": {"password": base64.b64encode(WORD.encode()).decode()}}
        return {"spec": {"selector": {"matchLabels": {"app": "store"}}}} if self.there else None

    def list(self, _resource, selector, namespace):
        assert (selector, namespace) == ("app=store", "login")
        return [{"metadata": {"name": "store-1"}, "status": {"phase": self.phase}}]

    def execute(self, namespace, pod, command, *, stdin=""):
        self.asked.append((namespace, pod, list(command), stdin))
        return self.code, self.said, ""


def test_the_store_is_emptied_and_its_password_is_no_argument():
    kube = Kube()
    assert open_sessions(kube, LOGIN).end_all() is True
    ((namespace, pod, command, stdin),) = kube.asked
    assert (namespace, pod, command) == ("login", "store-1", ["redis-cli"])
    assert stdin == f"AUTH {WORD}\nFLUSHALL\n"


@pytest.mark.parametrize("kube", [Kube(there=False), Kube(phase="Pending")])
def test_a_store_that_does_not_run_holds_no_sessions(kube):
    assert open_sessions(kube, LOGIN).end_all() is False and kube.asked == []


@pytest.mark.parametrize("kube", [Kube("ERR WRONGPASS\nERR NOAUTH\n"), Kube("", 1), Kube("OK\nERR no\n")])
def test_a_store_that_refuses_is_told_with_the_way_out(kube):
    with pytest.raises(MlstackError) as caught:
        open_sessions(kube, LOGIN).end_all()
    assert caught.value.code == "sessions.failed" and "rollout restart deployment store" in caught.value.remedy
    assert WORD not in str(caught.value.to_dict())


def test_a_kind_of_store_that_nobody_knows():
    with pytest.raises(MlstackError) as caught:
        open_sessions(Kube(), {"sessions": "rediss"})
    assert caught.value.code == "sessions.unknown-store" and "redis" in caught.value.remedy


def test_up_ends_the_sessions_after_it_removed_a_user(world, dex):  # noqa: F811
    def stacks(*people):
        provider = {"identity-provider": EXPORTS}
        namespaces = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("auth", "login")
        ]
        return (
            stack("dex", namespaces[0], namespace="auth", exports=provider, users=people),
            stack("login", namespaces[1], exports={"login": LOGIN}, requires=("dex",)),
        )

    assert world.up(*stacks(ADMIN, ANN))[1].ok
    assert ("end sessions",) not in world.store.calls
    plan, report = world.up(*stacks(ADMIN))
    assert report.ok and world.store.calls[-1] == ("end sessions",)
    end = next(action for action in plan.actions if action.id == "sessions:end")
    assert end.needs == {"remove-user:ann"}
    inventory = next(action for action in plan.actions if action.id == "inventory:dex")
    assert "sessions:end" in inventory.needs, "the user is forgotten only when out"
    assert world.up(*stacks(ADMIN))[0].actions == ()
