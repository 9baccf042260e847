"""Stacks that go while users still have objects of theirs, and that come back: nothing hangs, nothing of a user's is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from e2e.browser import Browser
from e2e.models import API, SCALE, answers, predictor, put, serve
from e2e.platform import Platform, until
from e2e.tenants import ann_and_bob, program_token
from e2e.tuning import EXPERIMENTS, ended, search

pytestmark = [pytest.mark.last(1), pytest.mark.timeout(1800)]
SMALLER = "standard"
MODEL, SEARCH = "left", "left"


@pytest.fixture(scope="module")
def profile(platform: Platform) -> str:
    """The one that the platform has."""
    items = platform.cli("config", "show", "--json").json()["items"]
    return str(next(item["value"] for item in items if item["path"] == "profile"))


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[str, str]]:
    with ann_and_bob(platform, "profile full has both", "tuning", "model-serving") as names:
        yield names


def slow_search(api: kubernetes.client.CustomObjectsApi, space: str) -> None:
    """A search whose trials take longer than the platform needs to get smaller."""
    body = search(SEARCH, seconds=40, parallelTrialCount=3, maxFailedTrialCount=3)
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], body)

    def running() -> bool:
        found = api.get_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], SEARCH)
        return bool(found.get("status", {}).get("trialsRunning"))

    until(running, 120, "the first trial")


def left(api: kubernetes.client.CustomObjectsApi, space: str) -> dict[str, Any]:
    """Whose the objects are that stay, by what must not change of them."""
    found = (
        api.get_namespaced_custom_object(*EXPERIMENTS[:2], space, EXPERIMENTS[2], SEARCH),
        api.get_namespaced_custom_object(*API, space, "inferenceservices", MODEL),
    )
    return {one["kind"]: (one["metadata"]["uid"], one["metadata"].get("finalizers")) for one in found}


def test_users_objects_outlive_the_stacks_that_look_after_them(
    platform: Platform, pair: tuple[str, str], profile: str
) -> None:
    (ann, bob), api = pair, kubernetes.client.CustomObjectsApi(platform.api())
    bearer, browser, body = program_token(platform, ann), Browser(*platform.door()), {"instances": [[1, 2]]}
    uri = put(platform, ann, "models/left/1/model.py", SCALE.replace(b"FACTOR", b"1"))
    serve(api, ann, MODEL, predictor=predictor(uri))
    assert answers(browser, ann, MODEL, bearer, body).json() == {"predictions": [3.0]}
    for space in pair:
        slow_search(api, space)
    before = left(api, ann)
    try:
        notes = platform.cli("plan", "--json", "--profile", SMALLER).lines()[-1]["notes"]
        for what in (f"{ann}/{MODEL}", f"{ann}/{SEARCH}", f"{bob}/{SEARCH}"):
            assert [note for note in notes if what in note and "nothing looks after them" in note], (what, notes)
        platform.up("--profile", SMALLER)
        assert platform.status()["ready"] and not platform.provides("tuning")
        assert left(api, ann) == before
        # nobody is there who would take the finalizers of his search off
        began = time.monotonic()
        platform.cli("profiles", "remove", bob, "--purge", "--yes")
        assert time.monotonic() - began < 90
        with pytest.raises(ApiException, match="404"):
            platform.core().read_namespace(bob)
    finally:
        platform.up("--profile", profile)
    assert left(api, ann) == before
    assert answers(browser, ann, MODEL, bearer, body).json() == {"predictions": [3.0]}
    # trials that ended in between had nobody to report to; somebody looks after the search again, so it comes to its end
    ended(api, ann, SEARCH)
    again = platform.cli("plan", "--json").lines()[-1]
    assert again["actions"] == []
