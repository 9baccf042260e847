"""The front door: one login, sessions that end, identity headers that only the gateway sets, tokens for machines."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import kubernetes
import pytest

from e2e.application import AUDIENCE, ECHO, application, machine_token
from e2e.browser import Browser
from e2e.configurations import refused_configurations
from e2e.platform import PYTHON_IMAGE, Platform, namespace, restricted, run_pod, wait_for


@dataclass
class Door:
    """The gateway as users meet it."""

    platform: Platform
    url: str
    authority: str
    user: str
    password: str

    def browser(self) -> Browser:
        return Browser(self.url, self.authority)

    def logged_in(self, path: str = "/") -> Browser:
        browser = self.browser()
        browser.login(self.user, self.password, path)
        return browser

    def token(self, space: str, *audiences: str) -> str:
        """A token of a namespace's default service account."""
        return machine_token(self.platform, space, *audiences)


@pytest.fixture(scope="module")
def door(platform: Platform) -> Door:
    url, authority = platform.door()
    if not url:
        pytest.skip("the platform has no gateway: it runs a profile without a login")
    values = platform.credential("admin")
    return Door(platform, url, authority, values["email"], values["password"])


@pytest.fixture(scope="module")
def echo(door: Door) -> Iterator[str]:
    """Path of an application behind the login that tells what headers it got."""
    with application(door.platform, ECHO) as path:
        yield path


def await_login(door: Door, path: str) -> httpx.Response:
    """Where the first login ends that goes through. The gateway learns of a new pod a moment after it is ready, and the
    service network, which the login asks for tokens over, does so on its own."""
    for _ in range(60):
        browser = door.browser()
        page = browser.follow(browser.get(path))[-1]
        if "password" in page.text:
            page = browser.login(door.user, door.password, path)
            if page.status_code == 200:
                return page
        time.sleep(0.5)
    raise AssertionError(f"no login within 30 s: {page.status_code} {page.text[:300]}")


def headers(answer: httpx.Response) -> dict[str, str]:
    """What the application got, the values of a repeated header joined."""
    assert answer.status_code == 200, (answer.status_code, answer.text[:300])
    found: dict[str, str] = {}
    for name, value in json.loads(answer.text):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def test_a_visitor_is_asked_to_log_in_once_and_then_is_who_they_are(door: Door, echo: str) -> None:
    browser = door.browser()
    first = browser.get(f"{echo}?x=1")
    assert first.status_code == 302 and "/auth" in first.headers["location"]
    wrong = browser.login(door.user, "not the password", echo)
    assert wrong.status_code == 401, "a wrong password is refused by the provider's own page"
    assert browser.get(echo).status_code == 302
    page = browser.login(door.user, door.password, f"{echo}?x=1")
    assert str(page.url).endswith(f"{echo}?x=1"), "the login ends where it began"
    got = headers(page)
    assert got["kubeflow-userid"] == door.user
    assert "authorization" not in got and "cookie" not in got, "an application gets no token and no session"
    cookie = next(one for one in browser.client.cookies.jar if one.name == "__Host-mlstack")
    assert cookie.secure and cookie.has_nonstandard_attr("HttpOnly") and not cookie.domain_specified


@pytest.mark.parametrize("name", ["kubeflow-userid", "Kubeflow-Userid", "kubeflow_userid", "KUBEFLOW_USERID"])
def test_a_forged_identity_is_taken_off(door: Door, echo: str, name: str) -> None:
    browser = door.logged_in(echo)
    answer = browser.client.get(door.url + echo, headers=[(name, "root@example.org"), ("kubeflow_groups", "admins")])
    got = headers(answer)
    assert got["kubeflow-userid"] == door.user
    assert "root@example.org" not in answer.text
    assert "kubeflow_groups" not in got


def test_groups_come_from_the_token_only(door: Door, echo: str) -> None:
    space = echo.strip("/")
    answer = door.browser().get(
        echo, Authorization=f"Bearer {door.token(space, AUDIENCE)}", **{"kubeflow-groups": "admins"}
    )
    assert headers(answer).get("kubeflow-groups", "") == ""
    # a list comes as JSON in base64: a name with a comma in it must not count as two
    sent = headers(door.logged_in(echo).get(echo))["kubeflow-groups"]
    assert "admins" in json.loads(base64.b64decode(sent + "=" * (-len(sent) % 4)))


def test_after_the_logout_a_copied_cookie_is_worth_nothing(door: Door, echo: str) -> None:
    browser = door.logged_in(echo)
    assert browser.get(echo).status_code == 200
    copied = next(one.value for one in browser.client.cookies.jar if one.name == "__Host-mlstack")
    thief = door.browser()
    thief.client.cookies.set("__Host-mlstack", copied, domain=browser.client.cookies.jar.__iter__().__next__().domain)
    assert thief.get(echo).status_code == 200, "before the logout the copy works: the check means something"
    browser.follow(browser.get("/oauth2/sign_out"))
    assert thief.get(echo).status_code == 302
    assert browser.get(echo).status_code == 302
    page = browser.follow(browser.get(echo))[-1]
    assert "password" in page.text, "the next visit asks for the password again"


def test_machines_log_in_with_tokens_made_for_the_gateway(door: Door, echo: str) -> None:
    space = echo.strip("/")
    got = headers(door.browser().get(echo, Authorization=f"Bearer {door.token(space, AUDIENCE)}"))
    assert got["kubeflow-userid"] == f"system:serviceaccount:{space}:default"
    assert "authorization" not in got, "what an application got it could use in the machine's name"
    for audiences in ([], ["somebody-else"]):
        answer = door.browser().get(echo, Authorization=f"Bearer {door.token(space, *audiences)}")
        assert answer.status_code == 403 and "Audiences" in answer.text


def test_a_client_of_the_api_gets_401_and_no_redirect(door: Door, echo: str) -> None:
    for path in (echo, "/nowhere"):
        answer = door.browser().get(path, Accept="application/json")
        assert answer.status_code == 401 and "location" not in answer.headers
        assert "Bearer" in answer.json()["remedy"]
    expired = door.browser().get(echo, Authorization="Bearer x.y.z", Accept="application/json")
    assert expired.status_code == 401 and expired.text


def test_eight_logins_at_once(door: Door, echo: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: door.browser().login(door.user, door.password, echo), range(8)))
    assert [headers(page)["kubeflow-userid"] for page in pages] == [door.user] * 8


def test_the_certificate_is_verified_and_plain_http_only_sends_on(door: Door) -> None:
    plain = next(one["url"] for one in door.platform.status()["endpoints"] if one["name"] == "gateway-http")
    answer = httpx.get(f"{plain}abc?x=1", trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (308, f"{door.url}/abc?x=1")
    stranger = httpx.Client(trust_env=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get(door.url.replace(door.url.partition("://")[2].partition(":")[0], "127.0.0.1"))


def test_the_gateway_refused_none_of_its_configuration(door: Door) -> None:
    assert not refused_configurations(door.platform)


@pytest.mark.parametrize(
    ("host", "port"),
    [("oauth2-proxy.login", 80), ("login-sessions.login", 6379), ("dex.auth", 5556), ("istiod.istio-system", 15012)],
)
def test_a_foreign_pod_reaches_nothing_behind_the_door(door: Door, host: str, port: int) -> None:
    code = f"import socket; socket.create_connection(('{host}.svc.cluster.local', {port}), 4)"
    assert connects(door.platform, code) == "Failed"


def test_a_foreign_pod_reaches_the_gateway_itself(door: Door) -> None:
    code = f"import socket; socket.create_connection(('{AUDIENCE}', 443), 10)"
    assert connects(door.platform, code) == "Succeeded", "the refusals above are not the network being down"


def connects(platform: Platform, code: str) -> str:
    core = platform.core()
    with namespace(core) as space:
        pod: dict[str, Any] = restricted(PYTHON_IMAGE, ["python3", "-c", code])
        return wait_for(core, space, run_pod(core, space, pod), {"Succeeded", "Failed"})


def test_the_attack_list_gets_nowhere(door: Door) -> None:
    report = door.platform.cli("verify", "--auth", "--json").lines()[-1]
    names = [case["name"] for case in report["cases"]]
    attacks = [int(found[1]) for name in names if (found := re.search(r": (\d+) attacks", name))]
    assert sum(attacks) >= 300, names
    assert not [case for case in report["cases"] if case["error"]]


def test_machines_go_on_while_the_identity_provider_is_down(door: Door, echo: str) -> None:
    apps = kubernetes.client.AppsV1Api(door.platform.core().api_client)
    token = door.token(echo.strip("/"), AUDIENCE)
    session = door.logged_in(echo)
    apps.patch_namespaced_deployment_scale("dex", "auth", {"spec": {"replicas": 0}})
    try:
        door.platform.core().delete_collection_namespaced_pod("auth")
        assert door.browser().get(echo, Authorization=f"Bearer {token}").status_code == 200
        assert session.get(echo).status_code == 200, "who is logged in stays so"
        visitor = door.browser()
        page = visitor.follow(visitor.get(echo, Accept="text/html"))[-1]
        assert page.status_code == 503 and "mlstack status" in page.text
    finally:
        door.platform.cli("up", "--yes", "--plain")
    assert headers(await_login(door, echo))["kubeflow-userid"] == door.user
    assert session.get(echo).status_code == 200, "the provider's keys outlive its pod"
