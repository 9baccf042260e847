"""Addon bentoml, where it is on: a Bento out of a profile's bucket is served, to whom, and what is said of one that cannot be."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
import yaml

from e2e.browser import Browser
from e2e.models import API, predictor, put, serve
from e2e.platform import Platform, until
from e2e.tenants import ann_and_bob, ask_model, knock, needs_addon, program_token

pytestmark = pytest.mark.timeout(1500)
ROWS = [[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 4.2, 1.5], [6.7, 3.0, 5.2, 2.3]]
TOLD_WITHIN = 120.0
"""Seconds within which a Bento that cannot be served says why."""


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    needs_addon(platform, "bentoml")
    with ann_and_bob(platform, "profile serving has it", "model-serving", "workflow-engine", "login") as names:
        yield names


@pytest.fixture(scope="module")
def sample(platform: Platform, spaces: tuple[str, str]) -> dict[str, Any]:
    """What the sample says, which leaves its Bento served in the first profile."""
    args = ("--profile", spaces[0], "--param", "service=flowers", "--param", "end=keep")
    result = platform.cli("run", "serve-bento", *args, "--watch", "--json", timeout=1200).lines()[-1]
    assert (result["type"], result["phase"]) == ("SampleResult", "Succeeded"), result
    return dict(result)


def test_the_sample_builds_stores_and_serves_a_bento(
    platform: Platform, browser: Browser, spaces: tuple[str, str], sample: dict[str, Any]
) -> None:
    values, space = sample["results"], spaces[0]
    assert float(values["accuracy"]) > 0.9 and values["tag"].startswith("iris:")
    assert json.loads(values["predictions"]) == [0, 1, 2]
    assert values["refused"] == "rows of 4 values are wanted"
    assert values["path"] == f"/serving/{space}/flowers/predict"
    assert sample["artifacts"]["bento"] == f"s3://profile-{space}/{space}/{sample['run']}/iris.bento"
    bearer = program_token(platform, space)
    answer = until(lambda: good(browser, values["path"], bearer), 60, "the way to it")
    assert answer == [0, 1, 2]
    refused = ask_model(browser, values["path"], bearer, {"rows": [[1.0]]})
    assert (refused.status_code, refused.json()) == (400, [{"error": "rows of 4 values are wanted"}])
    nothing = ask_model(browser, values["path"], bearer, {"lines": ROWS})
    assert nothing.status_code == 400 and "rows" in nothing.text
    assert ask_model(browser, f"/serving/{space}/flowers/nothing", bearer, {}).status_code == 404


def good(browser: Browser, path: str, bearer: str) -> Any:
    answer = ask_model(browser, path, bearer, {"rows": ROWS})
    return answer.json() if answer.status_code == 200 else None


def test_a_bento_is_for_the_members_of_its_profile(
    platform: Platform, browser: Browser, spaces: tuple[str, str], sample: dict[str, Any]
) -> None:
    path, body = sample["results"]["path"], {"rows": ROWS}
    assert ask_model(browser, path, program_token(platform, spaces[0]), body).status_code == 200
    assert ask_model(browser, path, program_token(platform, spaces[1]), body).status_code == 403
    assert ask_model(browser, path, "x.y.z", body).status_code in (401, 403)
    assert browser.client.post(browser.url + path, json=body).status_code in (302, 401, 403)
    host = f"flowers-predictor.{spaces[0]}.svc.cluster.local"
    assert knock(platform, spaces[1], host, 80).startswith("kept out")


def exported(needs: str) -> bytes:
    """A Bento that was built elsewhere, as far as it is looked at before it is run."""
    files = {
        "bento.yaml": yaml.safe_dump({"name": "foreign", "version": "one", "bentoml_version": "1.4.39"}),
        "env/python/requirements.in": needs,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


BAD = {
    "needs-more": (
        "s3://profile-{own}/bentos/needs/foreign.bento",
        "foreign:one needs nosuchpackage>=2 (not in the image)",
    ),
    "no-bento": ("s3://profile-{own}/bentos/junk/junk.bento", "junk.bento is no archive that can be read"),
    "nowhere": ("s3://profile-{own}/bentos/nowhere/x.bento", "there is no object at or below"),
    "not-yours": ("s3://profile-{other}/bentos/needs/foreign.bento", "cannot be fetched"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bento_that_cannot_be_served_says_why(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, spaces: tuple[str, str], name: str
) -> None:
    space, (uri, why) = spaces[0], BAD[name]
    for owner in spaces:
        put(platform, owner, "bentos/needs/foreign.bento", exported("nosuchpackage>=2\n"))
    put(platform, space, "bentos/junk/junk.bento", b"no archive")
    bearer = program_token(platform, space)
    serve(custom, space, name, predictor=predictor(uri.format(own=space, other=spaces[1]), "bento"))

    def lasting() -> dict[str, Any] | None:
        answer = ask_model(browser, f"/serving/{space}/{name}/predict", bearer, {"rows": ROWS})
        assert answer.status_code in (404, 503), answer.text
        found: dict[str, Any] = answer.json()
        return found if found.get("lasting") else None

    try:
        reason: dict[str, Any] = until(lasting, TOLD_WITHIN)
        assert why in reason["why"] and reason["remedy"], reason
    finally:
        custom.delete_namespaced_custom_object(*API, space, "inferenceservices", name)
