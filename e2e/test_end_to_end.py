"""One run that tunes, trains, serves and asks, in a profile: its values, who may ask the model then, whose accounts may what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from e2e.browser import Browser
from e2e.platform import Platform
from e2e.tenants import ann_and_bob, ask_model, may, program_token

pytestmark = pytest.mark.timeout(900)
ROW = [0.0] * 64


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    with ann_and_bob(platform, "profile full has it", "tuning", "model-serving", "gateway", "login") as names:
        yield names


@pytest.fixture(scope="module")
def run(platform: Platform, spaces: tuple[str, str]) -> dict[str, Any]:
    """The result of the sample in Ann's profile."""
    done = platform.cli("run", "end-to-end", "--profile", spaces[0], "--watch", "--json")
    return dict(done.lines()[-1])


def status(platform: Platform, space: str, path: str) -> int:
    """What the gateway answers to a program of a profile that asks a model."""
    bearer = program_token(platform, space)
    return ask_model(Browser(*platform.door()), path, bearer, {"instances": [ROW]}).status_code


def test_what_is_served_is_what_was_tuned_and_trained(
    platform: Platform, spaces: tuple[str, str], run: dict[str, Any]
) -> None:
    values = run["results"]
    assert (run["phase"], run["namespace"]) == ("Succeeded", spaces[0])
    assert float(values["accuracy"]) > 0.85 and float(values["tuned"]) > 0.6
    assert values["nobody"] == "401", "the gateway asks who it is"
    objects = kubernetes.client.CustomObjectsApi(platform.api())
    search = objects.get_namespaced_custom_object("kubeflow.org", "v1beta1", spaces[0], "experiments", run["run"])
    best = search["status"]["currentOptimalTrial"]["parameterAssignments"]
    assert {one["name"]: one["value"] for one in best} == {"rate": values["rate"], "alpha": values["alpha"]}
    model = objects.get_namespaced_custom_object(
        "serving.kserve.io", "v1beta1", spaces[0], "inferenceservices", "digits"
    )
    assert run["run"] in model["spec"]["predictor"]["model"]["storageUri"]


def test_only_its_own_profile_asks_the_model(platform: Platform, spaces: tuple[str, str], run: dict[str, Any]) -> None:
    path = run["results"]["path"]
    assert path.startswith(f"/serving/{spaces[0]}/")
    assert (status(platform, spaces[0], path), status(platform, spaces[1], path)) == (200, 403)


def test_accounts_of_steps_do_their_part_at_home_only(platform: Platform, spaces: tuple[str, str]) -> None:
    own, other = spaces
    parts = {"tuner": "experiments.kubeflow.org", "model-deployer": "inferenceservices.serving.kserve.io"}
    for name, kind in parts.items():
        account = f"system:serviceaccount:{own}:{name}"
        assert may(platform, account, "create", kind, own)
        assert not may(platform, account, "create", kind, other) and not may(platform, account, "get", kind, other)
        for foreign in [*(each for each in parts.values() if each != kind), "secrets", "pods"]:
            assert not may(platform, account, "create", foreign, own)
