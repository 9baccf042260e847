"""The portal on the platform, in a real Chromium: login, components, samples to their results, logout; strangers are kept out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from e2e.configurations import has_sidecars
from e2e.platform import PYTHON_IMAGE, Platform, namespace, restricted, run_pod, wait_for
from e2e.portal import browser_at, first_page, keep, run, sign_in, sign_out, train_iris
from e2e.tenants import needs


@pytest.fixture(scope="module")
def address(platform: Platform) -> str:
    needs(platform, "profile standard has it", "portal")
    return platform.door()[0].rstrip("/")


@pytest.fixture(scope="module")
def chromium(address: str) -> Iterator[Any]:
    with browser_at(address) as started:
        yield started


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    with first_page(chromium) as opened:
        yield opened


@pytest.fixture
def user(platform: Platform, page: Any, address: str) -> dict[str, str]:
    """The administrator, logged in."""
    values = platform.credential("admin")
    sign_in(page, address, values)
    return values


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
    train_iris(page, address)


def test_wrong_values_start_nothing(page: Any, user: dict[str, str], address: str) -> None:
    page.goto(f"{address}/samples/hello")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.get_by_label("times").fill("99")
    page.get_by_role("button", name="Run hello").click()
    page.get_by_role("alert").filter(has_text="Nothing was started").wait_for()


def test_after_the_logout_the_login_comes_again(page: Any, user: dict[str, str], address: str) -> None:
    sign_out(page, address)


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
