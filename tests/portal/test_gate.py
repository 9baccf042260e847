"""Who gets in, what every answer carries, and that pages load nothing from elsewhere."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import pytest
from portalobjects import flow, step_pod
from portalworld import ADMIN, HOST, USER, Site

from mlstack_portal.who import TOKEN_SECONDS, Forms, User, groups_of, user_of

pytestmark = pytest.mark.anyio
PAGES = ["/", "/samples", "/samples/hello", "/runs", "/runs/ml/hello-1", "/access", "/profile"]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.mark.parametrize("path", [*PAGES, "/live/health", "/live/runs/ml/hello-1", "/nothing", "/healthzz"])
@pytest.mark.parametrize(
    "headers", [{}, {"kubeflow-userid": ""}, {"kubeflow-userid": "a b"}, {"kubeflow_userid": "x@y.org"}]
)
async def test_without_an_identity_nothing_is_shown(site: Site, path: str, headers: dict[str, str]) -> None:
    answer = await site.get(path, headers)
    assert answer.status_code == 401
    assert "Not signed in" in answer.text
    assert "golden" not in answer.text
    assert site.cluster.asked == []


async def test_posts_without_an_identity_change_nothing(site: Site) -> None:
    async with site.client() as client:
        assert (await client.post("/samples/hello", data={"namespace": "ml"})).status_code == 401
    assert site.cluster.asked == []


async def test_probes_and_static_files_need_none(site: Site) -> None:
    assert (await site.get("/healthz", {})).text == "ok"
    for name, kind in [("portal.css", "text/css"), ("portal.js", "text/javascript"), ("icon.svg", "image/svg+xml")]:
        answer = await site.get(f"/static/{name}", {})
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
    assert (await site.get("/static/../app.py", {})).status_code in (401, 404)
    assert (await site.get("/static/%2e%2e/app.py", {})).status_code in (401, 404)


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/static/portal.css"])
@pytest.mark.parametrize("headers", [ADMIN, {}])
async def test_every_answer_has_a_strict_policy(site: Site, path: str, headers: dict[str, str]) -> None:
    site.cluster.put(flow())
    answer = await site.get(path, headers)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("no-store" in answer.headers["cache-control"]) is not path.startswith("/static")


@pytest.mark.parametrize("path", PAGES)
async def test_pages_hold_no_inline_code_and_load_nothing_from_elsewhere(site: Site, path: str) -> None:
    site.cluster.put(flow())
    tags = Tags((await site.get(path)).text).found
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        assert tag != "style"
        for name in ("src", "action", *(["href"] if tag == "link" else [])):
            assert re.match(r"/(?!/)|$", attributes.get(name, "/")), (tag, attributes)
        assert tag != "script" or attributes["src"].startswith("/static/portal.js?v=")


@pytest.mark.parametrize("path", PAGES)
async def test_pages_have_landmarks_one_heading_and_a_named_input_each(site: Site, path: str) -> None:
    site.cluster.put(flow())
    tags = Tags((await site.get(path)).text).found
    names = [tag for tag, _ in tags]
    assert [names.count(tag) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5
    assert [attributes["lang"] for tag, attributes in tags if tag == "html"] == ["en"]
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    inputs = [
        attributes for tag, attributes in tags if tag in ("input", "select") and attributes.get("type") != "hidden"
    ]
    assert {attributes["id"] for attributes in inputs} <= labelled
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    current = [attributes["href"] for _, attributes in tags if "aria-current" in attributes]
    assert current == ["/" + path.split("/")[1]]
    logout = [attributes["href"] for tag, attributes in tags if tag == "a" and "sign_out" in attributes["href"]]
    assert set(logout) == {"/oauth2/sign_out?rd=%2F"}


async def start(site: Site, headers: dict[str, str], token: str | None, **more: str) -> int:
    fields = {"namespace": "ml", "param-who": "you", **more, **({} if token is None else {"token": token})}
    async with site.client(headers) as client:
        return (await client.post("/samples/hello", data=fields)).status_code


async def test_a_form_of_a_page_of_ours_is_accepted_once_and_again(site: Site) -> None:
    page = (await site.get("/samples/hello", USER)).text
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    browser = {**USER, "origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
    assert await start(site, browser, token) == 303
    assert await start(site, USER, token) == 303
    assert len(site.cluster.found) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}.evil.example"},
        {"origin": f"https://s3.{HOST}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": f"https://{HOST}"},
    ],
)
async def test_a_form_from_another_site_is_refused(site: Site, more: dict[str, str]) -> None:
    token = site.forms.token(User("user@example.org"))
    assert await start(site, {**USER, **more}, token) == 403
    assert site.cluster.found == []


@pytest.mark.parametrize("token", [None, "", "x", "1.2", "9999999999.00", "²³.x"])
async def test_a_form_without_a_good_token_is_refused(site: Site, token: str | None) -> None:
    assert await start(site, USER, token) == 403
    assert site.cluster.found == []


async def test_a_token_is_one_users_and_ends(site: Site) -> None:
    assert await start(site, USER, site.forms.token(User("other@example.org"))) == 403
    token = site.forms.token(User("user@example.org"))
    assert not Forms(b"another key").good(User("user@example.org"), token)
    site.clock[0] += TOKEN_SECONDS + 1
    assert await start(site, USER, token) == 403
    assert site.cluster.found == []


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", ()),
        ("admins", ("admins",)),
        ("admins, staff,", ("admins", "staff")),
        (base64.urlsafe_b64encode(json.dumps(["admins", "a,b"]).encode()).decode().rstrip("="), ("admins", "a,b")),
        (base64.urlsafe_b64encode(b"[]").decode(), ()),
        ("1234", ("1234",)),
        ("bnVsbA", ("bnVsbA",)),
    ],
)
def test_groups_come_as_text_or_as_an_encoded_list(text: str, groups: tuple[str, ...]) -> None:
    assert groups_of(text) == groups


def test_a_machine_is_a_user_too() -> None:
    name = "system:serviceaccount:team:m2m"
    assert user_of({"x-user": name}, "x-user", "x-groups") == User(name)


async def test_large_and_broken_forms_are_refused(site: Site) -> None:
    async with site.client(USER) as client:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/samples/hello", content=b"x=" + b"y" * 70000, headers=kind)).status_code == 413
        assert (await client.post("/samples/hello", content=b"\xff=%ff", headers=kind)).status_code == 400
        assert (await client.post("/samples/hello", content="&".join(["a=b"] * 300), headers=kind)).status_code == 400
        assert (await client.delete("/samples/hello")).status_code == 405


async def test_what_a_run_says_is_shown_as_text(site: Site) -> None:
    evil = "<script>alert(1)</script>"
    site.cluster.put(flow(message=evil))
    site.cluster.put(step_pod())
    site.cluster.logs["ml", "hello-1-pod"] = [evil, 'time="x" level=info msg=y argo=true']
    text = (
        await site.get("/runs/ml/hello-1", {"kubeflow-userid": "<b>@example.org", "kubeflow-groups": "admins"})
    ).text
    assert evil not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "argo=true" not in text
    assert "<b>@" not in text
