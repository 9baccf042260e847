"""The portal on the platform, in a real Chromium: login, components, samples to their results, logout; strangers are kept out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import pytest

from e2e.chromium import ABSENT, browser, find_chromium
from e2e.configurations import has_sidecars
from e2e.platform import PYTHON_IMAGE, Platform, namespace, restricted, run_pod, wait_for

OUT = Path(__file__).parent / "out" / "portal"
LIMIT = 420
"""Seconds a sample may take."""


@pytest.fixture(scope="module")
def address(platform: Platform) -> str:
    routed = {item["name"]: item["routed"] for item in platform.status()["endpoints"]}
    if not routed.get("gateway") or "portal" not in routed:
        pytest.skip("the platform has no portal behind a gateway: it runs a profile without a login")
    return str(routed["gateway"]).rstrip("/")


@pytest.fixture(scope="module")
def chromium(address: str) -> Iterator[Any]:
    found = find_chromium()
    if found is None:
        pytest.skip(ABSENT)
    # the name must lead here whatever the resolver of this host makes of it
    with browser(found, f"--host-resolver-rules=MAP {urlsplit(address).hostname} 127.0.0.1") as started:
        yield started


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A visitor's first page: no session, and the platform's authority unknown, as in a browser that was never here."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    opened = context.new_page()
    yield opened
    context.close()


@pytest.fixture
def user(platform: Platform, page: Any, address: str) -> dict[str, str]:
    """The administrator, logged in."""
    values = platform.credential("admin")
    page.goto(address + "/")
    page.locator("input[name=login]").fill(values["email"])
    page.locator("input[name=password]").fill(values["password"])
    keep(page, "login")
    page.locator("button[type=submit]").click()
    page.get_by_role("heading", name=re.compile("^Platform ")).wait_for()
    return values


def keep(page: Any, name: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"platform-{name}.png", full_page=True)


def run(page: Any, address: str, sample: str, **params: str) -> str:
    """Runs a sample by its form to its end; returns the run's name."""
    page.goto(f"{address}/samples")
    page.get_by_role("link", name=sample, exact=True).click()
    for name, value in params.items():
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name=f"Run {sample}").click()
    page.wait_for_url(re.compile(rf"/runs/[a-z0-9-]+/{sample}-"))
    page.get_by_role("status").filter(has_text="The run ended:").wait_for(timeout=LIMIT * 1000)
    keep(page, f"run-{sample}")
    assert page.get_by_role("status").inner_text() == "The run ended: Succeeded."
    return str(page.url.rsplit("/", 1)[-1])


def test_home_shows_every_component_ready(platform: Platform, page: Any, user: dict[str, str], address: str) -> None:
    status = platform.status()
    assert status["ready"]
    page.get_by_text(re.compile(r"All \d+ components are ready\.")).wait_for(timeout=60000)
    keep(page, "home")
    rows = page.get_by_role("row").all_inner_texts()
    for stack in status["stacks"]:
        (row,) = [text for text in rows if text.startswith(stack["name"] + "\n") or text.split()[0] == stack["name"]]
        assert stack["version"] in row
    tree = page.locator("body").aria_snapshot()
    for part in ("- banner:", '- navigation "Main":', "- main:", '- table "Components of the platform":', "- status:"):
        assert part in tree, tree
    page.goto(f"{address}/profile")
    assert user["email"] in page.get_by_role("main").inner_text()
    assert "administrator" in page.get_by_role("main").inner_text()


def test_a_sample_says_what_was_typed(platform: Platform, page: Any, user: dict[str, str], address: str) -> None:
    name = run(page, address, "hello", who="O'Neil & <b>", times="2")
    assert "Hello, O'Neil & <b>!\nHello, O'Neil & <b>!" in page.get_by_role("main").inner_text()
    space = page.url.rsplit("/", 2)[-2]
    objects = kubernetes.client.CustomObjectsApi(platform.api())
    flow = objects.get_namespaced_custom_object("argoproj.io", "v1alpha1", space, "workflows", name)
    assert flow["metadata"]["annotations"]["mlstack.dev/started-by"] == user["email"]
    page.goto(f"{address}/runs")
    assert page.get_by_role("link", name=name).count() == 1
    keep(page, "runs")


def test_train_iris_gives_accuracy_and_model(page: Any, user: dict[str, str], address: str) -> None:
    run(page, address, "train-iris")
    said = page.get_by_role("main").inner_text()
    assert 0.85 <= float(re.search(r"accuracy\s+([0-9.]+)", said)[1]) <= 1.0
    assert re.search(r"s3://\S+/model\.joblib", said)


def test_wrong_values_start_nothing(page: Any, user: dict[str, str], address: str) -> None:
    page.goto(f"{address}/samples/hello")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.get_by_label("times").fill("99")
    page.get_by_role("button", name="Run hello").click()
    page.get_by_role("alert").filter(has_text="Nothing was started").wait_for()


def test_after_the_logout_the_login_comes_again(page: Any, user: dict[str, str], address: str) -> None:
    page.get_by_role("banner").get_by_role("link", name="Log out").click()
    page.locator("input[name=password]").wait_for()
    keep(page, "logged-out")
    page.goto(f"{address}/runs")
    page.locator("input[name=password]").wait_for()
    assert "/runs/" not in page.content()


ASK = """
import sys, time, urllib.request
end = time.monotonic() + 25  # the network's rules for a new pod come a moment after it
while True:
    try:
        request = urllib.request.Request("http://portal.portal.svc.cluster.local/samples")
        request.add_header("kubeflow-userid", "admin@example.org")
        print(urllib.request.urlopen(request, timeout=4).read().decode())
        break
    except OSError as error:
        if time.monotonic() > end:
            sys.exit(str(error))
        time.sleep(1)
"""


@pytest.mark.parametrize("let_in", [False, True])
def test_only_the_gateways_namespace_reaches_it(platform: Platform, address: str, let_in: bool) -> None:
    """A stranger's pod with a forged identity gets no answer; the same pod gets one where the namespace is the gateway's.

    With sidecars a place is not enough: e2e/test_mesh.py has the controls there.
    """
    core = platform.core()
    labels = {"provides.mlstack.dev/gateway": "true"} if let_in else {}
    with namespace(core, labels) as space:
        pod = run_pod(core, space, restricted(PYTHON_IMAGE, ["python3", "-c", ASK]))
        phase = wait_for(core, space, pod, {"Succeeded", "Failed"})
        text = core.read_namespaced_pod_log(pod, space)
    answered = let_in and not has_sidecars(platform)
    assert (phase, "admin@example.org" in text) == (("Succeeded", True) if answered else ("Failed", False))
