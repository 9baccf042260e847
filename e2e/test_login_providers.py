"""Logins by Keycloak on the platform's SQL server, then by an issuer of somebody else: one platform, made for this.

It takes minutes and a gigabyte, so it runs only where MLSTACK_E2E_PROVIDERS is set.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import kubernetes
import pytest

from e2e.browser import FORM, Browser
from e2e.foreign import CLIENT, PASSWORD, SECRET, USER, Foreign, foreign_issuer
from e2e.own import configured, of_its_own
from e2e.platform import Platform, Run
from e2e.portal import browser_at, first_page, sign_in, sign_out, train_iris

pytestmark = pytest.mark.skipif(
    not os.environ.get("MLSTACK_E2E_PROVIDERS"), reason="makes a platform of its own: set MLSTACK_E2E_PROVIDERS=1"
)
CLOSED = [
    "/keycloak/admin/",
    "/keycloak/admin/realms/mlstack/users",
    "/keycloak/realms/master/.well-known/openid-configuration",
    "/keycloak/realms/mlstack/../master/.well-known/openid-configuration",
    "/keycloak/realms/mlstack/%2e%2e/master/.well-known/openid-configuration",
    "/keycloak/realms/mlstack/..;/master/.well-known/openid-configuration",
    "/keycloak/realms/mlstack%2f..%2fmaster/.well-known/openid-configuration",
    "/keycloak/resources/../admin/",
    "/keycloak/health",
    "/keycloak/metrics",
]
TOLD = ('"issuer"', '"authorization_endpoint"', "Administration Console", "jvm_memory_used_bytes", '"checks"')
"""What Keycloak's documents of a realm, its console, its figures and its health say."""


@pytest.fixture(scope="module")
def keycloak(
    tmp_path_factory: pytest.TempPathFactory, uncaptured: Callable[[], AbstractContextManager[None]]
) -> Iterator[Platform]:
    """A platform with Keycloak, named MLSTACK_E2E_PROVIDERS_NAME (``providers``); one that was there is left there."""
    name = os.environ.get("MLSTACK_E2E_PROVIDERS_NAME", "providers")
    made = configured(name, tmp_path_factory.mktemp("keycloak"), "auth: {provider: keycloak}\n")
    with of_its_own(made, uncaptured):
        yield made


@pytest.fixture(scope="module")
def ann(keycloak: Platform) -> Iterator[str]:
    """A user's password."""
    keycloak.cli("users", "remove", "ann", check=False)
    made = keycloak.cli("users", "add", "ann", "--group", "lab", "--no-profile", "--json").json()
    yield str(made["password"])
    keycloak.cli("users", "remove", "ann", check=False)


@pytest.fixture
def browser(keycloak: Platform) -> Browser:
    return Browser(*keycloak.door(), provider="keycloak")


def asks_for_a_password(browser: Browser) -> bool:
    return FORM.search(browser.follow(browser.get("/"))[-1].text) is not None


def who(browser: Browser) -> dict[str, object]:
    answer = browser.get("/oauth2/userinfo")
    return dict(answer.json()) if answer.status_code == 200 else {}


def ticket(browser: Browser) -> str:
    """The session's cookie, as somebody who copied it sends it."""
    found = {one.name: one.value for one in browser.client.cookies.jar if one.name == "__Host-mlstack"}
    return "; ".join(f"{name}={value}" for name, value in found.items())


def test_login_tells_who_the_user_is_and_a_wrong_password_does_not_pass(browser: Browser, ann: str) -> None:
    refused = browser.login("ann", "not it")
    assert FORM.search(refused.text) and not ticket(browser) and not who(browser)
    entered = browser.login("ann", ann)
    assert entered.url.host == browser.client.build_request("GET", browser.url).url.host
    found = who(browser)
    assert str(found["email"]).startswith("ann@") and found["groups"] == ["lab"]


def test_logout_ends_both_sessions_and_a_copied_cookie_is_worth_nothing(
    keycloak: Platform, browser: Browser, ann: str
) -> None:
    browser.login("ann", ann)
    cookie = ticket(browser)
    stranger = Browser(*keycloak.door(), provider="keycloak")
    assert stranger.get("/oauth2/userinfo", Cookie=cookie).status_code == 200
    browser.get("/oauth2/sign_out")
    assert stranger.get("/oauth2/userinfo", Cookie=cookie).status_code == 401
    assert stranger.get("/", Cookie=cookie, Accept="text/html").status_code == 302
    assert asks_for_a_password(browser), "the identity provider let the browser in again without a password"


def test_in_a_browser_a_training_runs_from_the_portal_and_the_logout_asks_again(keycloak: Platform) -> None:
    address, _ = keycloak.door()
    with browser_at(address) as chromium, first_page(chromium) as page:
        sign_in(page, address, keycloak.credential("admin"), provider="keycloak")
        train_iris(page, address)
        sign_out(page, address)


def test_figures_of_the_server_are_for_administrators(keycloak: Platform, browser: Browser, ann: str) -> None:
    values = keycloak.credential("admin")
    browser.login(values["email"], values["password"])
    answer = browser.get("/metrics/keycloak")
    assert answer.status_code == 200 and "jvm_memory_used_bytes" in answer.text
    other = Browser(*keycloak.door(), provider="keycloak")
    other.login("ann", ann)
    assert other.get("/metrics/keycloak").status_code == 403


@pytest.mark.parametrize("path", CLOSED)
def test_the_console_and_the_other_realm_are_not_reached(browser: Browser, ann: str, path: str) -> None:
    browser.login("ann", ann)
    answer = browser.get(path)
    assert answer.status_code in (302, 400, 401, 403, 404), answer.text[:200]
    # the portal's own page for what is not there repeats the path, so what Keycloak itself says is looked for
    assert not any(word in answer.text for word in TOLD), answer.text[:500]
    control = browser.get("/keycloak/realms/mlstack/.well-known/openid-configuration")
    assert all(word in control.text for word in TOLD[:2]), "the realm of the platform does tell"


def test_users_survive_a_restart_of_the_server(keycloak: Platform, browser: Browser, ann: str) -> None:
    core = keycloak.core()
    (pod,) = core.list_namespaced_pod("keycloak").items
    began = time.monotonic()
    core.delete_namespaced_pod(pod.metadata.name, "keycloak")
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespaced_pod, "keycloak", timeout_seconds=300):
        one = event["object"]
        ready = any(c.type == "Ready" and c.status == "True" for c in one.status.conditions or ())
        if one.metadata.uid != pod.metadata.uid and ready:
            watch.stop()
    print(f"ready {time.monotonic() - began:.0f} s after the pod was deleted")
    # the gateway learns of the new pod a moment later
    while browser.get("/keycloak/realms/mlstack/").status_code == 503 and time.monotonic() - began < 300:
        time.sleep(0.5)
    browser.login("ann", ann)
    assert str(who(browser)["email"]).startswith("ann@")


def test_a_new_password_holds_and_ends_the_old_one(keycloak: Platform, browser: Browser) -> None:
    first = keycloak.cli("users", "add", "ben", "--no-profile", "--json").json()["password"]
    try:
        second = keycloak.cli("users", "passwd", "ben", "--json").json()["password"]
        assert FORM.search(browser.login("ben", first).text)
        browser.login("ben", second)
        assert str(who(browser)["email"]).startswith("ben@")
        assert keycloak.cli("users", "add", "ben", "--no-profile", check=False).code == 2
    finally:
        keycloak.cli("users", "remove", "ben")
    assert keycloak.cli("users", "passwd", "ben", check=False).code == 2


@pytest.fixture(scope="module")
def foreign(keycloak: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    core = keycloak.core()
    for found in core.list_secret_for_all_namespaces(field_selector="metadata.name=oidc-client").items:
        core.delete_namespaced_secret("oidc-client", found.metadata.namespace)  # of an earlier run on this platform
    callback = f"{keycloak.door()[0].rstrip('/')}/oauth2/callback"
    with foreign_issuer(tmp_path_factory.mktemp("issuer"), f"mlstack-{keycloak.name}", callback) as issuer:
        yield issuer


def other(platform: Platform, directory: Path, issuer: str, authority: Path, more: str = "") -> Platform:
    text = f"auth:\n  provider: oidc\n  oidc:\n    issuer: {issuer}\n    clientId: {CLIENT}\n"
    text += f"    clientSecret: {{env: ISSUER_SECRET}}\n    ca: {authority}\n{more}"
    made = configured(platform.name, directory, text)
    made.env["ISSUER_SECRET"] = SECRET
    return made


def refusal(platform: Platform) -> tuple[int, str]:
    run: Run = platform.cli("up", "--yes", "--json", check=False)
    last = json.loads(run.out.splitlines()[-1])
    return run.code, json.dumps(last)


def test_what_is_wrong_with_the_issuer_is_said_before_anything_is_changed(
    keycloak: Platform, foreign: Foreign, tmp_path: Path
) -> None:
    good = other(keycloak, tmp_path, foreign.issuer, foreign.authority)
    good.env["ISSUER_SECRET"] = "not the secret"
    code, said = refusal(good)
    assert code == 3 and "auth.client-refused" in said and "not the secret" not in said
    good.env["ISSUER_SECRET"] = ""
    code, said = refusal(good)
    assert code == 2 and "secret.not-given" in said and "ISSUER_SECRET" in said
    code, said = refusal(other(keycloak, tmp_path, f"{foreign.issuer}/other", foreign.authority))
    assert code == 3 and "auth.no-issuer" in said
    code, said = refusal(other(keycloak, tmp_path, "https://127.0.0.1:9", foreign.authority))
    assert code == 3 and "auth.issuer-unreachable" in said
    moved = other(keycloak, tmp_path, foreign.issuer, foreign.authority, "gateway: {host: elsewhere.localhost}\n")
    code, said = refusal(moved)
    assert code == 3 and "auth.callback-refused" in said and "https://elsewhere.localhost" in said
    assert keycloak.core().list_namespaced_pod("keycloak").items, "nothing was changed"


def test_users_of_another_house_log_in(keycloak: Platform, foreign: Foreign, tmp_path: Path) -> None:
    platform = other(keycloak, tmp_path, foreign.issuer, foreign.authority)
    platform.up()
    url, authority = platform.door()
    browser = Browser(url, authority + foreign.authority.read_text())
    assert FORM.search(browser.login(USER, "not it").text) and not who(browser)
    browser.login(USER, PASSWORD)
    assert who(browser)["email"] == USER
    deadline = time.monotonic() + 60  # the gateway reads the issuer's keys in the background
    while (answer := browser.get("/", Accept="text/html")).status_code == 401 and time.monotonic() < deadline:
        time.sleep(1)
    assert answer.status_code in (200, 404), answer.text[:200]
    cookie = ticket(browser)
    browser.get("/oauth2/sign_out")
    assert browser.get("/oauth2/userinfo", Cookie=cookie).status_code == 401
    assert platform.cli("plan", "--json").json()["actions"] == []
