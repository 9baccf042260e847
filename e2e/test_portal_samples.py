"""Samples of every kind as a user runs them in the portal, who is no administrator: values, what holds them up, who sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import pytest

from e2e.platform import Platform
from e2e.portal import Person, browser_at, finish, first_page, keep, person, run, sign_in, start
from e2e.tenants import needs

TOLD = 30_000
"""Milliseconds within which it is told what a run waits for."""
EXPERIMENTS = ("kubeflow.org", "v1beta1", "experiments")


@pytest.fixture(scope="module")
def address(platform: Platform) -> str:
    needs(platform, "profile standard has it", "portal", "profiles", "identity-provider")
    return platform.door()[0]


@pytest.fixture(scope="module")
def chromium(address: str) -> Iterator[Any]:
    with browser_at(address) as started:
        yield started


@pytest.fixture(scope="module")
def user(platform: Platform, address: str) -> Iterator[Person]:
    with person(platform) as added:
        yield added


@contextmanager
def page_of(chromium: Any, platform: Platform, address: str, who: Person) -> Iterator[Any]:
    """A browser in which that user is signed in."""
    with first_page(chromium) as opened:
        provider = "keycloak" if "keycloak" in {one["name"] for one in platform.status()["stacks"]} else "dex"
        sign_in(opened, address, {"email": who.email, "password": who.password}, provider)
        yield opened


@pytest.fixture(scope="module")
def page(chromium: Any, platform: Platform, address: str, user: Person) -> Iterator[Any]:
    with page_of(chromium, platform, address, user) as opened:
        yield opened


def results(page: Any) -> dict[str, str]:
    """The results on the page of a run."""
    texts = page.locator(".results > div").all_inner_texts()
    return {name.strip(): value.strip() for name, _, value in (text.partition("\n") for text in texts)}


def test_a_search_shows_its_best_trial(platform: Platform, page: Any, user: Person, address: str) -> None:
    needs(platform, "profile tuning has it", "tuning")
    name = run(page, address, "katib-random", trials="2", algorithm="sobol")
    assert f"/runs/{user.name}/experiments/{name}" in page.url
    api = kubernetes.client.CustomObjectsApi(platform.api())
    obj = api.get_namespaced_custom_object(*EXPERIMENTS[:2], user.name, EXPERIMENTS[2], name)
    assert obj["metadata"]["annotations"]["mlstack.dev/started-by"] == user.email
    assert (obj["spec"]["maxTrialCount"], obj["spec"]["algorithm"]["algorithmName"]) == (2, "sobol")
    best = obj["status"]["currentOptimalTrial"]
    metrics = {one["name"]: one["latest"] for one in best["observation"]["metrics"]}
    points = {one["name"]: one["value"] for one in best["parameterAssignments"]}
    assert results(page) == {"accuracy": metrics["accuracy"], **points, "trial": best["bestTrialName"]}
    assert 0.5 < float(metrics["accuracy"]) <= 1
    assert "2 of 2 trials succeeded" in page.get_by_role("main").inner_text()
    page.goto(f"{address}/runs")
    assert page.get_by_role("link", name=name).count() == 1


def test_a_training_on_two_pods_shows_what_they_print(
    platform: Platform, page: Any, user: Person, address: str
) -> None:
    needs(platform, "profile tuning has it", "training")
    name = run(page, address, "train-distributed", nodes="2", steps="100")
    assert f"/runs/{user.name}/trainjobs/{name}" in page.url
    found = results(page)
    assert (found["nodes"], found["agree"]) == ("2", "true") and float(found["loss"]) < 0.01
    assert page.locator("summary", has_text=f"{name}-node-0-").count() == 2
    assert re.search(r"node [01] step 50 loss [0-9.]+", page.get_by_role("main").inner_text())


def test_a_pipeline_shows_its_steps_and_what_it_recorded(
    platform: Platform, page: Any, user: Person, address: str
) -> None:
    needs(platform, "profile pipelines has it", "pipelines")
    start(page, address, "kfp-iris", strength="2")
    name = finish(page, "kfp-iris")
    assert f"/runs/{user.name}/{name}" in page.url
    found = results(page)
    assert 0.8 <= float(found["accuracy"]) <= 1 and found["model"].startswith("s3://")
    said = page.get_by_role("main").inner_text()
    assert all(step in said for step in ("load", "train", "evaluate")) and "driver" not in said
    flows = kubernetes.client.CustomObjectsApi(platform.api())
    flow = flows.get_namespaced_custom_object("argoproj.io", "v1alpha1", user.name, "workflows", name)
    assert flow["spec"]["serviceAccountName"] == "pipeline-runner"


def test_models_are_served_and_rolled_back(platform: Platform, page: Any, user: Person, address: str) -> None:
    """Its step has an account of its own, which the portal's rules let through."""
    needs(platform, "profile serving has it", "serving")
    run(page, address, "serve-iris", service="flowers", end="delete")
    found = results(page)
    assert found["predictions"] != found["second"] and "[0, 1, 2]" in found["predictions"]


def full(platform: Platform, namespace: str) -> Any:
    """A quota under which nothing more runs there; gone afterwards."""

    @contextmanager
    def made() -> Iterator[None]:
        core = platform.core()
        body = {"metadata": {"name": "e2e-full"}, "spec": {"hard": {"pods": "0"}}}
        core.create_namespaced_resource_quota(namespace, body)
        try:
            yield
        finally:
            core.delete_namespaced_resource_quota("e2e-full", namespace)

    return made()


def test_an_object_that_waits_for_room_says_so_and_goes_on(
    platform: Platform, page: Any, user: Person, address: str
) -> None:
    needs(platform, "profile tuning has it", "training")
    with full(platform, user.name):
        start(page, address, "train-distributed", steps="1")
        held = page.get_by_role("region", name="What it waits for")
        held.wait_for(timeout=TOLD)
        keep(page, "waits")
        text = held.inner_text()
        assert re.search(rf"Job/{user.name}/train-distributed-\S+", text), text
        assert "exceeded quota: e2e-full" in text and "raise the quota" in text
        assert "does not go on" in page.get_by_role("status").inner_text()
    finish(page, "train-distributed")


def test_a_workflow_that_waits_for_room_says_so_and_goes_on(
    platform: Platform, page: Any, user: Person, address: str
) -> None:
    with full(platform, user.name):
        start(page, address, "hello", who="room")
        page.get_by_text(re.compile("exceeded quota: e2e-full.*raise the quota", re.S)).first.wait_for(timeout=TOLD)
    finish(page, "hello")
    assert results(page)["greeting"].startswith("Hello, room!")


def test_nobody_else_sees_or_starts_anything_there(
    platform: Platform, chromium: Any, page: Any, user: Person, address: str
) -> None:
    needs(platform, "profile tuning has it", "tuning")
    start(page, address, "katib-random", trials="1", parallel="1")
    mine = page.url
    with person(platform) as other, page_of(chromium, platform, address, other) as theirs:
        assert theirs.goto(mine).status == 404
        assert theirs.goto(mine.replace("/runs/", "/live/runs/")).status == 404
        theirs.goto(f"{address}/runs")
        assert user.name not in theirs.get_by_role("main").inner_text()
        theirs.goto(f"{address}/samples/katib-random")
        theirs.evaluate("name => { document.querySelector('[name=namespace]').value = name }", user.name)
        theirs.get_by_role("button", name="Run katib-random").click()
        theirs.get_by_role("alert").filter(has_text="Choose a profile in which you may run something").wait_for()
    api = kubernetes.client.CustomObjectsApi(platform.api())
    made = api.list_namespaced_custom_object(*EXPERIMENTS[:2], user.name, EXPERIMENTS[2])["items"]
    assert {one["metadata"]["annotations"]["mlstack.dev/started-by"] for one in made} == {user.email}
    assert page.goto(mine).status == 200
