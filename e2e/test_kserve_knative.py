"""Models that run as Knative Services: asked at the same path, split between versions, gone when nobody asks, and back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import kubernetes
import pytest

from e2e.browser import Browser
from e2e.models import SCALE, answers, predictor, put, serve, two_profiles_with_models
from e2e.platform import Platform, until
from e2e.tenants import ask_model, needs, program_token

pytestmark = pytest.mark.timeout(900)
KNATIVE = {"serving.kserve.io/deploymentMode": "Knative", "autoscaling.knative.dev/window": "6s"}
"""Annotations of such a model; the window is the shortest that Knative takes."""
BODY = {"instances": [[1, 2]]}
COLD_SECONDS = 60
"""What a first answer from no pod may take: a pod that fetches its model and loads it."""


@pytest.fixture(scope="module")
def pair(platform: Platform) -> Iterator[tuple[str, str]]:
    needs(platform, "profile full has it", "serving")
    with two_profiles_with_models(platform) as names:
        yield names


@pytest.fixture(scope="module")
def path(
    platform: Platform, browser: Browser, custom: kubernetes.client.CustomObjectsApi, pair: tuple[str, str]
) -> str:
    """Of a model whose answer is the sum of a row."""
    one = put(platform, pair[0], "models/lazy/1/model.py", SCALE.replace(b"FACTOR", b"1"))
    serve(custom, pair[0], "lazy", KNATIVE, predictor=predictor(one, minReplicas=0))
    first = answers(browser, pair[0], "lazy", program_token(platform, pair[0]), BODY)
    assert first.json() == {"predictions": [3.0]}
    return f"/serving/{pair[0]}/lazy/v1/models/lazy:predict"


def pods(platform: Platform, space: str) -> int:
    """How many pods of the model there are."""
    label = "serving.kserve.io/inferenceservice=lazy"
    return len(platform.core().list_namespaced_pod(space, label_selector=label).items)


def test_it_is_a_knative_service_behind_the_same_walls(
    platform: Platform,
    browser: Browser,
    custom: kubernetes.client.CustomObjectsApi,
    pair: tuple[str, str],
    path: str,
) -> None:
    services = custom.list_namespaced_custom_object("serving.knative.dev", "v1", pair[0], "services")["items"]
    assert [one["metadata"]["name"] for one in services] == ["lazy-predictor"]
    status = {
        who: ask_model(browser, path, token, BODY).status_code
        for who, token in {
            "own": program_token(platform, pair[0]),
            "other": program_token(platform, pair[1]),
            "nobody": "junk",
        }.items()
    }
    assert status == {"own": 200, "other": 403, "nobody": 401}


def test_nobody_asks_and_it_goes_somebody_asks_and_it_is_back(
    platform: Platform, browser: Browser, pair: tuple[str, str], path: str
) -> None:
    bearer = program_token(platform, pair[0])
    until(lambda: pods(platform, pair[0]) == 0, 180, "its pods have gone")
    began = time.monotonic()
    answer = ask_model(browser, path, bearer, BODY)
    cold = time.monotonic() - began
    assert (answer.status_code, answer.text) == (200, '{"predictions":[3]}')
    print(f"cold {cold:.1f} s")
    assert cold < COLD_SECONDS
    assert pods(platform, pair[0]) >= 1


def test_a_canary_gets_its_share_and_is_taken_back(
    platform: Platform,
    browser: Browser,
    custom: kubernetes.client.CustomObjectsApi,
    pair: tuple[str, str],
    path: str,
) -> None:
    """A second version that takes a share of the requests is a revision of the same service."""
    space, bearer = pair[0], program_token(platform, pair[0])
    one, two = (f"s3://profile-{space}/models/lazy/{version}" for version in (1, 2))
    put(platform, space, "models/lazy/2/model.py", SCALE.replace(b"FACTOR", b"2"))

    def seen(times: int) -> Counter[str]:
        found = [ask_model(browser, path, bearer, BODY) for _ in range(times)]
        return Counter(one.text if one.status_code == 200 else str(one.status_code) for one in found)

    old, new = '{"predictions":[3]}', '{"predictions":[6]}'
    serve(custom, space, "lazy", KNATIVE, predictor=predictor(two, minReplicas=1, canaryTrafficPercent=30))
    until(lambda: new in seen(10), 240, "the second version answers")
    split = seen(200)
    assert split.keys() == {old, new} and 35 <= split[new] <= 85, split
    serve(custom, space, "lazy", KNATIVE, predictor=predictor(two, minReplicas=1, canaryTrafficPercent=0))
    until(lambda: seen(10).keys() == {old}, 120, "only the first version answers")
    serve(custom, space, "lazy", KNATIVE, predictor=predictor(one, minReplicas=0))
    until(lambda: seen(10).keys() == {old}, 120, "the first version is the only one")
