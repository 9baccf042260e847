"""Users: who is added can log in and nobody else; tokens; what one command chose no later ``up`` undoes."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import kubernetes
import pytest

from e2e.browser import Browser
from e2e.platform import Platform, finished


@pytest.fixture(scope="module", autouse=True)
def _logins(platform: Platform) -> None:
    if not platform.provides("identity-provider"):
        pytest.skip("the platform has no identity provider (profile standard has one)")


def browser(platform: Platform) -> Browser:
    return Browser(*platform.door())


def opens(platform: Platform, email: str, password: str) -> bool:
    """Whether the login leads away from the identity provider's form, back to the platform."""
    return not browser(platform).login(email, password).request.url.path.startswith("/dex/")


@contextmanager
def user(platform: Platform, *options: str, password: str = "") -> Iterator[tuple[str, str, str]]:
    """(name, e-mail, password) of a user of the test's own."""
    name = f"e2e-{secrets.token_hex(3)}"
    more = ("--password-stdin",) if password else ()
    run = platform.cli("users", "add", name, *options, *more, "--json", stdin=f"{password}\n")
    made = next(line for line in run.lines() if line["type"] == "User")
    try:
        yield name, made["user"]["email"], password or made["password"]
    finally:
        platform.cli("users", "remove", name, check=False)


def test_the_administrators_generated_password_logs_in(platform: Platform) -> None:
    shown = platform.credential("admin")
    assert opens(platform, shown["email"], shown["password"])
    assert not opens(platform, shown["email"], shown["password"][:-1])


def test_a_user_logs_in_until_the_password_changes_or_the_user_goes(platform: Platform) -> None:
    chosen, newer = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    with user(platform, "--no-profile", password=chosen) as (name, email, _):
        assert opens(platform, email, chosen)
        platform.cli("users", "passwd", name, "--password-stdin", stdin=f"{newer}\n")
        assert not opens(platform, email, chosen)
        assert opens(platform, email, newer)
        platform.cli("users", "remove", name)
        assert not opens(platform, email, newer)


def test_of_two_who_add_one_name_at_once_one_wins(platform: Platform) -> None:
    name = f"e2e-{secrets.token_hex(3)}"
    try:
        both = [
            platform.start("users", "add", name, "--email", f"{mail}@example.org", "--no-profile")
            for mail in ("a", "b")
        ]
        ends = [(one.communicate(timeout=120)[0], one.returncode) for one in both]
        assert sorted(code for _, code in ends) == [0, 2], ends
        assert "users.exists" in next(text for text, code in ends if code == 2)
        listed = [one["name"] for one in platform.cli("users", "list", "--json").json()["items"]]
        assert listed.count(name) == 1
    except subprocess.TimeoutExpired as error:
        raise AssertionError("users add does not end") from error
    finally:
        platform.cli("users", "remove", name, check=False)


def test_no_up_undoes_what_a_command_did(platform: Platform) -> None:
    with user(platform, "--no-profile") as (name, email, password):
        assert finished(platform.up())["changed"] == 0
        assert opens(platform, email, password)
        listed = {one["name"]: one for one in platform.cli("users", "list", "--json").json()["items"]}
        assert listed[name]["source"] == "command" and listed["admin"]["source"] == "declared"


def test_a_password_is_nowhere_but_in_its_output(platform: Platform, core: kubernetes.client.CoreV1Api) -> None:
    with user(platform, "--no-profile") as (name, _, password):
        assert password not in platform.cli("users", "list", "--json").out
        assert platform.cli("credentials", name, check=False).code != 0
        custom = kubernetes.client.CustomObjectsApi(platform.api())
        kept = custom.list_cluster_custom_object("dex.coreos.com", "v1", "passwords")["items"]
        (mine,) = [one for one in kept if one["username"] == name]
        assert base64.b64decode(mine["hash"]).startswith(b"$2b$12$") and password not in str(kept)
        assert password not in str([event.message for event in core.list_event_for_all_namespaces().items])


def test_a_token_is_for_the_gateway_and_of_the_users_own_profile(platform: Platform) -> None:
    with user(platform) as (name, _, _password):
        try:
            token = platform.cli("users", "token", name, "--duration", "10m", "--json").json()
            assert token["account"] == f"system:serviceaccount:{name}:default-editor"
            client = browser(platform)
            assert client.get("/", authorization=f"Bearer {token['token']}").status_code not in (
                302,
                401,
                403,
            )
            foreign = platform.cli("users", "token", name, "--audience", "somebody-else").out.strip()
            assert client.get("/", authorization=f"Bearer {foreign}").status_code in (401, 403)
        finally:
            platform.cli("profiles", "remove", name, "--purge", "--yes")
        assert "users.no-profile" in platform.cli("users", "token", name, check=False).err


def test_what_up_makes_is_not_removed_by_command(platform: Platform) -> None:
    run = platform.cli("users", "remove", "admin", check=False)
    assert run.code == 2 and "users.declared" in run.err
    run = platform.cli("users", "add", "Bad Name", "--group", "system:masters", check=False)
    assert run.code == 2 and run.err.count("users.bad-value") >= 2
