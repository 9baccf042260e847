"""A part of the platform that dies in the middle of a run: the command and the portal name it and say what to do, in time, and
`mlstack up` puts it right."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import kubernetes
import pytest

from e2e.browser import Browser
from e2e.platform import Platform, until
from e2e.portal import Person, person
from e2e.tenants import needs

TOLD = 30
"""Seconds within which it is told what a run waits for."""
pytestmark = [pytest.mark.last(1), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def user(platform: Platform) -> Iterator[Person]:
    needs(platform, "profile standard has it", "portal", "profiles", "identity-provider")
    with person(platform) as added:
        yield added


@pytest.fixture(scope="module")
def browser(platform: Platform, user: Person) -> Browser:
    """A browser in which the user is signed in."""
    provider = "keycloak" if "keycloak" in {one["name"] for one in platform.status()["stacks"]} else "dex"
    opened = Browser(*platform.door(), provider)
    assert opened.login(user.email, user.password).status_code == 200
    return opened


@contextmanager
def dead(platform: Platform, name: str) -> Iterator[float]:
    """The only Deployment of a stack without its pod, from the moment that is given; put right by `mlstack up` afterwards."""
    apps, core = kubernetes.client.AppsV1Api(platform.api()), platform.core()
    try:
        apps.patch_namespaced_deployment_scale(name, name, {"spec": {"replicas": 0}})
        for pod in core.list_namespaced_pod(name).items:
            core.delete_namespaced_pod(pod.metadata.name, name, grace_period_seconds=0)
        yield time.monotonic()
    finally:
        platform.up()


def events(process: Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def await_step(said: Iterator[dict[str, Any]]) -> None:
    """Reads on until a step of the run runs."""
    assert any(event["type"] == "SampleStep" and event["phase"] == "Running" for event in said)


def await_warning(said: Iterator[dict[str, Any]], part: str, stack: str) -> None:
    """Reads on until the part is named."""
    told = (event["text"] for event in said if event["type"] == "Message" and event["level"] == "warning")
    text = next((one for one in told if one.startswith(part)), "")
    assert f"stack {stack}" in text and "`mlstack up`" in text, text or "the run ended and named nothing"


def run_page(platform: Platform, browser: Browser, user: Person, plural: str) -> str:
    """The page of the user's newest run of that kind, as the portal shows it now."""
    groups = {"workflows": ("argoproj.io", "v1alpha1"), "experiments": ("kubeflow.org", "v1beta1")}
    custom = kubernetes.client.CustomObjectsApi(platform.api())
    found = custom.list_namespaced_custom_object(*groups[plural], user.name, plural)["items"]
    newest = max(found, key=lambda one: str(one["metadata"]["creationTimestamp"]))["metadata"]["name"]
    path = "" if plural == "workflows" else f"/{plural}"
    answer = browser.get(f"/runs/{user.name}{path}/{newest}", accept="text/html")
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
    return answer.text


def test_object_storage_that_dies_is_named_and_the_run_goes_on_after(
    platform: Platform, browser: Browser, user: Person
) -> None:
    process = platform.start("run", "train-iris", "--profile", user.name, "--watch", "--json")
    said = events(process)
    await_step(said)
    with dead(platform, "minio") as since:
        await_warning(said, "Deployment/minio/minio waits", "minio")
        assert time.monotonic() - since < TOLD
        until(
            lambda: "Deployment/minio/minio" in run_page(platform, browser, user, "workflows"),
            TOLD - (time.monotonic() - since),
            "the portal names it",
        )
    last = list(said)[-1]
    assert (process.wait(60), last["phase"]) == (0, "Succeeded")


def test_a_database_that_dies_is_named_however_the_run_ends(platform: Platform, browser: Browser, user: Person) -> None:
    needs(platform, "profile tuning has it", "tuning")
    process = platform.start("run", "katib-random", "--profile", user.name, "--watch", "--json")
    said = events(process)
    await_step(said)
    with dead(platform, "mysql") as since:
        await_warning(said, "Deployment/mysql/mysql", "mysql")
        assert time.monotonic() - since < TOLD
        until(
            lambda: "Deployment/mysql/mysql" in run_page(platform, browser, user, "experiments"),
            TOLD - (time.monotonic() - since),
            "the portal names it",
        )
    assert process.wait(600) in (0, 1)
    again = platform.cli("run", "katib-random", "--profile", user.name, "--param", "trials=2", "--watch", "--json")
    assert again.lines()[-1]["phase"] == "Succeeded"


def test_a_pipeline_that_cannot_be_started_says_at_once_what_is_down(platform: Platform, user: Person) -> None:
    needs(platform, "profile pipelines has it", "pipelines")
    with dead(platform, "mysql") as since:
        run = platform.cli("run", "kfp-iris", "--profile", user.name, "--watch", "--json", check=False)
        assert run.code and time.monotonic() - since < TOLD, run.out[-2000:]
        await_warning(iter(run.lines()), "Deployment/mysql/mysql", "mysql")
    again = platform.cli("run", "kfp-iris", "--profile", user.name, "--watch", "--json")
    assert again.lines()[-1]["phase"] == "Succeeded"
