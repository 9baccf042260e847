"""What breaks under people who are logged in: secrets made anew, the identity provider's storage lost, users removed, clocks
that differ. Each time the way back is the login page, once, and programs with tokens go on."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from e2e.application import AUDIENCE, application
from e2e.browser import FORM, Browser
from e2e.platform import Platform

APP = """
import http.server
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers.get("kubeflow-userid", "").encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.HTTPServer(("", 8080), Fine).serve_forever()
"""
HTML = "text/html"
GROUP, VERSION = "dex.coreos.com", "v1"
LOST = ("authcodes", "authrequests", "offlinesessionses", "refreshtokens", "signingkeies")


class House:
    """The platform with an application behind its login."""

    def __init__(self, platform: Platform, path: str) -> None:
        self.platform, self.path = platform, path
        self.door, self.core = platform.door(), platform.core()
        admin = platform.credential("admin")
        self.user, self.password = admin["email"], admin["password"]

    def browser(self) -> Browser:
        return Browser(*self.door)

    def session(self) -> Browser:
        browser = self.browser()
        assert browser.login(self.user, self.password, self.path).text == self.user
        return browser

    def machine_is_let_in(self) -> bool:
        return self.browser().get(self.path, Authorization=f"Bearer {self.token()}").status_code == 200

    def token(self) -> str:
        """A token of the application's namespace, made for the gateway."""
        body = {"spec": {"audiences": [AUDIENCE], "expirationSeconds": 600}}
        space = self.path.strip("/")
        return str(self.core.create_namespaced_service_account_token("default", space, body).status.token)

    def asks_for_a_password(self, browser: Browser) -> bool:
        """``follow`` fails when redirects go round in circles."""
        return FORM.search(browser.follow(browser.get(self.path, Accept=HTML))[-1].text) is not None


@pytest.fixture(scope="module")
def house(platform: Platform) -> Iterator[House]:
    if not platform.door()[0]:
        pytest.skip("the platform has no login")
    with application(platform, APP) as path:
        yield House(platform, path)


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> float:
    """Seconds until something holds; the gateway learns of new pods and keys a moment later."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.mark.parametrize("secret", ["login-cookie", "login-sessions", "login-client"])
def test_a_secret_made_anew_under_a_session(house: House, secret: str) -> None:
    session = house.session()
    pods = {pod.metadata.uid for pod in house.core.list_namespaced_pod("login").items}
    run = house.platform.cli("credentials", "--rotate", secret, "--yes", "--json")
    assert {pod.metadata.uid for pod in house.core.list_namespaced_pod("login").items} != pods
    until(lambda: house.browser().get(house.path, Accept=HTML).status_code == 302, "the login answers again")
    if secret == "login-client":
        assert session.get(house.path).text == house.user, "sessions do not hang on what the login tells the provider"
    else:
        assert house.asks_for_a_password(session)
        assert session.get(house.path, Accept="application/json").status_code == 401
    until(lambda: house.browser().login(house.user, house.password, house.path).text == house.user, "a new login")
    assert house.machine_is_let_in()
    assert house.platform.cli("plan", "--json").json()["actions"] == []
    for kind in ("login", "auth"):
        for one in house.core.list_namespaced_secret(kind).items:
            for value in (one.data or {}).values() if one.metadata.name == secret else ():
                assert (
                    base64.b64decode(value).decode() not in run.out + run.err
                    or value == base64.b64encode(b"mlstack").decode()
                )


def test_what_cannot_be_made_anew_is_refused_with_what_can(house: House) -> None:
    for name, told in (
        ("mysql", "login-cookie"),
        ("admin", "mlstack users passwd admin"),
        ("login-cokie", "login-cookie"),
    ):
        run = house.platform.cli("credentials", "--rotate", name, "--yes", check=False)
        assert run.code == 2 and told in run.err, run.err


def test_a_user_who_is_removed_is_out_at_once(house: House) -> None:
    made = house.platform.cli("users", "add", "leaver", "--no-profile", "--json").json()
    try:
        leaver, email = house.browser(), made["user"]["email"]
        assert leaver.login(email, made["password"], house.path).text == email
        assert leaver.get(house.path).text == email
    finally:
        house.platform.cli("users", "remove", "leaver")
    assert leaver.get(house.path, Accept="application/json").status_code == 401
    assert house.asks_for_a_password(leaver)
    assert FORM.search(leaver.login(email, made["password"], house.path).text), "the password is worth nothing either"
    assert house.machine_is_let_in()


def test_the_identity_provider_loses_its_storage(house: House) -> None:
    if "dex" not in {stack["name"] for stack in house.platform.status()["stacks"]}:
        pytest.skip("another provider keeps its storage elsewhere")
    objects = kubernetes.client.CustomObjectsApi(house.core.api_client)
    session = house.session()
    for plural in LOST:
        objects.delete_collection_namespaced_custom_object(GROUP, VERSION, "auth", plural)
    assert house.machine_is_let_in()

    def logs_in() -> bool:
        browser = house.browser()
        page = browser.follow(browser.get(house.path, Accept=HTML))[-1]
        if page.status_code != 200 or not FORM.search(page.text):
            return False  # it makes new keys every half minute
        return browser.login(house.user, house.password, house.path).text == house.user

    print(f"logins work {until(logs_in, 'new logins', 150):.0f} s after the storage was lost")
    page = session.follow(session.get(house.path, Accept=HTML))[-1]
    # the old session's token was signed by a key that is gone: the page says so and leads to the login, by a link
    assert page.status_code == 401 and "Log in again" in page.text and "/oauth2/sign_out" in page.text
    session.follow(session.get("/oauth2/sign_out", Accept=HTML))
    assert house.asks_for_a_password(session)
    assert session.login(house.user, house.password, house.path).text == house.user
    assert house.machine_is_let_in()
    house.platform.cli("up", "--yes", "--plain")
    assert house.session().get(house.path).text == house.user


def signed(house: House, **times: int) -> str:
    """A service account's token as the cluster itself would make it, at another time."""
    node = f"{house.platform.name}-control-plane"
    found = subprocess.run(
        ["docker", "exec", node, "cat", "/etc/kubernetes/pki/sa.key"], capture_output=True, check=False, timeout=60
    )
    if found.returncode != 0:
        pytest.skip("the cluster's signing key is out of reach")
    key = serialization.load_pem_private_key(found.stdout, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    now = int(time.time())
    real = house.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(real[1] + "=="))
    claims |= {name: now + seconds for name, seconds in times.items()}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    text = f"{real[0]}.{body}"
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("times", "status", "said", "cause"),
    [
        ({"iat": -5, "nbf": -5, "exp": 600}, 200, "", ""),
        ({"iat": 900, "nbf": 900, "exp": 1800}, 401, "Jwt not yet valid", "clock of who made it is ahead"),
        ({"iat": -900, "nbf": -900, "exp": -300}, 401, "Jwt is expired", "clock of who made it is behind"),
    ],
)
def test_a_token_of_another_time_is_refused_and_the_clocks_are_named(
    house: House, times: dict[str, int], status: int, said: str, cause: str
) -> None:
    token = signed(house, **times)
    answer = house.browser().get(house.path, Authorization=f"Bearer {token}")
    assert answer.status_code == status and said in answer.text
    run = house.platform.cli("auth", "explain", house.path, "--token", "-", "--check", stdin=token)
    assert said in run.out and cause in run.out


def test_the_clocks_agree_and_doctor_says_so(house: House) -> None:
    checks: list[dict[str, Any]] = house.platform.cli("doctor", "--json", check=False).json()["items"]
    assert [one["state"] for one in checks if one["name"] == "clock"] == ["ok"]


def test_machines_are_believed_by_the_issuer_that_the_cluster_names(house: House) -> None:
    token = house.token()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    objects = kubernetes.client.CustomObjectsApi(house.core.api_client)
    rules = objects.get_namespaced_custom_object(
        "security.istio.io", "v1", "istio-system", "requestauthentications", "machines"
    )["spec"]["jwtRules"]
    assert [rule["issuer"] for rule in rules] == [claims["iss"]]


def test_a_name_that_does_not_resolve_is_told_with_the_line_for_the_hosts_file(house: House, tmp_path: Any) -> None:
    file = tmp_path / "mlstack.yaml"
    file.write_text("apiVersion: mlstack/v1alpha1\nkind: Config\ngateway: {host: nowhere.invalid}\n")
    moved = Platform(house.platform.name, extra=("-f", str(file)))
    checks = moved.cli("doctor", "--json", check=False).json()["items"]
    (found,) = (one for one in checks if one["name"] == "external name")
    assert found["state"] == "failed" and "'127.0.0.1 nowhere.invalid" in found["remedy"]
    assert "external name" not in {
        one["name"] for one in house.platform.cli("doctor", "--json", check=False).json()["items"]
    }
