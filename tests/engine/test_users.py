"""Users of Dex over a real HTTP API: objects as Dex reads them, who wins, what ``up`` does and leaves alone."""

from __future__ import annotations

import base64
import string
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import bcrypt
import pytest
from fakeapi import FakeApi
from hypothesis import given
from hypothesis import strategies as st
from world import INSTANCE, World, secret_value, stack

from mlstack.adapters import passwords
from mlstack.adapters.dexusers import DexUsers, object_name
from mlstack.adapters.users import open_users
from mlstack.core.actions import Result
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.people import Account, User

EXPORTS = {"users": "passwords.dex.coreos.com", "namespace": "auth"}
ANN = User("ann", "ann@lab.localhost", ("readers",))
ADMIN = User("admin", "admin@lab.localhost", ("admins",))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The least cost that bcrypt has; the real one is looked at in a test of its own."""
    monkeypatch.setattr(passwords, "COST", 4)


@pytest.fixture
def dex(fake: FakeApi, world: World) -> FakeApi:
    fake.kinds[("dex.coreos.com/v1", "passwords")] = ("Password", True)
    world.client().create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "auth"}})
    return fake


@pytest.fixture
def users(world: World, dex: FakeApi) -> DexUsers:
    return DexUsers(world.client(), EXPORTS)


def objects(dex: FakeApi) -> list[dict]:
    return [obj for key, obj in dex.objects.items() if key[1] == "passwords"]


def opens(obj: dict, password: str) -> bool:
    return bcrypt.checkpw(password.encode(), base64.b64decode(obj["hash"]))


def test_the_object_is_named_and_filled_as_dex_wants_it(users, dex):
    users.add(Account(ANN, "command"), "a long password")
    (obj,) = objects(dex)
    assert object_name("Ann@lab.localhost") == object_name("ann@lab.localhost") == obj["metadata"]["name"]
    # what Dex itself makes of this address
    assert object_name("admin@example.com") == "mfsg22loibsxqylnobwgkltdn5w4x4u44scceizf"
    assert obj["apiVersion"] == "dex.coreos.com/v1" and obj["metadata"]["namespace"] == "auth"
    assert (obj["email"], obj["username"], obj["groups"]) == ("ann@lab.localhost", "ann", ["readers"])
    assert obj["userID"] and opens(obj, "a long password") and not opens(obj, "another password")
    assert users.list() == [Account(ANN, "command")]


@given(st.text(string.ascii_lowercase + string.digits + "@.-_+", min_size=3, max_size=120))
def test_names_of_objects_are_names_and_differ(email):
    name = object_name(email)
    assert set(name) <= set(string.ascii_lowercase + "234567") and len(name) <= 253
    assert object_name(email + "x") != name


def test_of_several_who_add_one_name_one_wins_and_the_others_are_told(world, dex):
    def attempt(number: int) -> str:
        email = "ann@lab.localhost" if number % 2 else f"ann{number}@lab.localhost"
        try:
            DexUsers(world.client(), EXPORTS).add(Account(User("ann", email), "command"), f"password number {number}")
        except MlstackError as error:
            assert error.code == "users.exists" and "ann" in error.what and error.remedy
            return ""
        return f"password number {number}"

    with ThreadPoolExecutor(8) as pool:
        won = [password for password in pool.map(attempt, range(8)) if password]
    (obj,) = objects(dex)
    assert len(won) == 1 and opens(obj, won[0])


def test_an_email_of_somebody_else_is_refused_and_takes_no_name(users, dex):
    users.add(Account(ANN, "command"), "a long password")
    with pytest.raises(MlstackError, match="belongs to user 'ann'") as caught:
        users.add(Account(replace(ANN, name="bob"), "command"), "a long password")
    assert caught.value.code == "users.exists"
    users.add(Account(User("bob", "bob@lab.localhost"), "command"), "a long password")
    assert [one.user.name for one in users.list()] == ["ann", "bob"]


def test_an_add_that_was_cut_off_can_be_repeated(users, dex):
    users._reserve(ANN)
    users.add(Account(ANN, "command"), "a long password")
    assert [one.user for one in users.list()] == [ANN]


def test_a_user_is_changed_and_removed(users, dex):
    users.add(Account(ANN, "command"), "a long password")
    users.set_password("ann", "a newer password")
    moved = User("ann", "ann@example.org", ("writers",))
    assert users.update(moved) and not users.update(moved)
    (obj,) = objects(dex)
    assert opens(obj, "a newer password") and users.list() == [Account(moved, "command")]
    assert users.update(replace(moved, groups=())) and users.list()[0].user.groups == ()
    assert users.remove("ann") and not users.remove("ann") and users.list() == []
    users.add(Account(ANN, "command"), "a long password")
    with pytest.raises(MlstackError, match="no user 'bob'"):
        users.set_password("bob", "a newer password")


def test_a_token_is_asked_of_the_service_account(world, fake):
    fake.tokens["default-editor"] = "the-token"
    found = world.client().token("ann", "default-editor", ["gateway.svc"], 600)
    assert found == ("the-token", "2026-01-01T00:00:00Z")
    with pytest.raises(MlstackError) as caught:
        world.client().token("ann", "nobody", ["gateway.svc"], 600)
    assert caught.value.code == "kube.not-found" and "ServiceAccount/ann/nobody" in caught.value.what


def test_a_cluster_without_dex_says_so(world, fake):
    with pytest.raises(MlstackError) as caught:
        DexUsers(world.client(), EXPORTS).list()
    assert caught.value.code == "users.store-failed" and "mlstack up" in caught.value.remedy
    with pytest.raises(MlstackError) as caught:
        open_users(world.client(), {"users": "passwords.dex.coreos.con"})
    assert caught.value.code == "users.unknown-store" and "did you mean" in caught.value.remedy


def test_passwords_have_bounds_and_cost(monkeypatch):
    monkeypatch.undo()
    assert passwords.hashed("a long password").split("$")[2] == "12"
    passwords.check(passwords.generate())
    for bad in ("short", "x" * 73, "é" * 37, "a long\npassword"):
        with pytest.raises(MlstackError) as caught:
            passwords.check(bad)
        assert caught.value.code == "users.password" and bad not in str(caught.value)


def provider(*users: User):
    return stack("login", namespace="auth", exports={"identity-provider": EXPORTS}, users=users)


def up(world: World, *users: User):
    world.accounts = {one.user.name: one for one in DexUsers(world.client(), EXPORTS).list()}
    return world.up(provider(*users))


def test_the_first_up_makes_the_user_with_a_password_in_a_secret_only(world, dex):
    _plan, report = up(world, ADMIN)
    assert report.ok, report
    (obj,), secret = objects(dex), dex.find("Secret", "user-admin", "auth")
    password = secret_value(secret, "password")
    assert opens(obj, password) and obj["groups"] == ["admins"]
    assert secret["metadata"]["labels"]["mlstack.dev/instance"] == INSTANCE
    assert password not in str(world.events) and password not in str(report)
    assert up(world, ADMIN)[0].actions == ()


def test_a_password_that_a_user_chose_survives_every_up(world, dex, users):
    up(world, ADMIN)
    users.set_password("admin", "a chosen password")
    world.client().delete(ResourceId("Secret", "user-admin", "auth"))
    for wanted in (ADMIN, replace(ADMIN, groups=("admins", "more"))):
        assert up(world, wanted)[1].ok
        (obj,) = objects(dex)
        assert opens(obj, "a chosen password") and tuple(obj["groups"]) == wanted.groups
    assert dex.find("Secret", "user-admin", "auth") is None


def test_users_that_were_lost_are_made_again(world, dex, users):
    up(world, ADMIN)
    users.remove("admin")
    plan, report = up(world, ADMIN)
    assert report.ok and [action.id for action in plan.actions] == ["user:admin"]
    assert opens(objects(dex)[0], secret_value(dex.find("Secret", "user-admin", "auth"), "password"))


def test_up_removes_only_users_that_it_made(world, dex, users):
    up(world, ADMIN, ANN)
    users.add(Account(User("bob", "bob@lab.localhost"), "command"), "a long password")
    plan, report = up(world, ADMIN, User("bob", "bob@lab.localhost"))
    assert report.ok and "remove-user:ann" in [action.id for action in plan.actions]
    assert [one.user.name for one in users.list()] == ["admin", "bob"]
    assert dex.find("Secret", "user-ann", "auth") is None
    outcome = {one.action: one for one in up(world, ADMIN)[1].outcomes}["remove-user:bob"]
    assert outcome.result is Result.DONE and not outcome.changed
    assert [one.user.name for one in users.list()] == ["admin", "bob"]
