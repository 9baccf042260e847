"""Which profile the end-to-end suite makes a platform of."""

from __future__ import annotations

import json

import pytest

from e2e import choice

TOOK = {
    "image:a.example/portal:1-abc": 4.0,
    "image:a.example/portal:1-def": 6.0,
    "image:b/istio:1": 200.0,
    "wait:x": 9.0,
}


@pytest.mark.parametrize(
    ("missing", "seconds"),
    [
        ([], 0.0),
        (["a.example/portal:1-new"], 6.0),
        (["a.example/portal:2", "b/istio:2"], 206.0),
        (["c/unknown:1"], float("inf")),
        (["a.example:1"], float("inf")),
    ],
)
def test_an_image_takes_as_long_as_others_of_its_name_did(missing, seconds):
    assert choice.building(missing, TOOK) == seconds


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Gives the function that says which images are not cached."""
    (tmp_path / "durations.json").write_text(json.dumps(TOOK))

    def lack(*refs):
        items = [{"ref": "a.example/minio:1", "cached": True}, *({"ref": ref, "cached": False} for ref in refs)]
        monkeypatch.setattr(choice, "_images", lambda _profile, _environ: items)
        return {"MLSTACK_CACHE_DIR": str(tmp_path)}

    return lack


def test_the_fullest_profile_whose_images_are_there_or_nearly_so(cached):
    assert choice.chosen(cached())[0] == "standard"
    assert choice.chosen(cached("a.example/portal:2")) == (
        "standard",
        "the images of standard are cached, 1 to make in about 6 s",
    )
    profile, why = choice.chosen(cached("c/unknown:1"))
    assert profile == "minimal" and "images of standard are not cached: c/unknown:1" in why


def test_a_profile_that_would_take_too_long_gives_way_to_a_smaller_one(cached, monkeypatch):
    environ = cached()
    monkeypatch.setattr(choice, "PROFILES", ("full", "tuning", "standard", "minimal"))
    missing = {"full": ["c/unknown:1"], "tuning": ["b/istio:9"] * 4}
    found = {profile: [{"ref": ref, "cached": False} for ref in refs] for profile, refs in missing.items()}
    monkeypatch.setattr(choice, "_images", lambda profile, _environ: found.get(profile, []))
    assert choice.chosen(environ)[0] == "standard"


def test_the_variable_decides(cached):
    assert choice.chosen({**cached(), "MLSTACK_E2E_PROFILE": "minimal"})[0] == "minimal"


def status_of(cluster, ready, pending=(), missing=()):
    stacks = [{"name": "minio", "pending": list(pending)}]
    return {"instance": "lab", "cluster": cluster, "ready": ready, "stacks": stacks, "missing": list(missing)}


def test_a_ready_platform_is_used_and_none_is_none():
    assert choice.usable(status_of("running", True))
    assert not choice.usable(status_of("absent", False))


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            status_of("running", False, [{"resource": "Deployment/minio", "reason": "0 of 1"}]),
            "minio: Deployment/minio 0 of 1",
        ),
        (status_of("running", False, missing=["image a:1"]), "image a:1"),
        (status_of("stopped", False), "its cluster is stopped"),
    ],
)
def test_a_half_made_platform_is_named_with_the_ways_out(status, why):
    with pytest.raises(choice.HalfUp, match="not ready") as caught:
        choice.usable(status)
    assert why in str(caught.value)
    assert "mlstack up --name lab" in str(caught.value)
