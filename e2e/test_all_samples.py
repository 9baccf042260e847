"""The whole of the platform: its fullest profile, and every sample of it as `mlstack test` runs them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.choice import affordable
from e2e.platform import Platform

PROFILE = "full"
SAMPLES = {
    "end-to-end",
    "katib-random",
    "katib-tpe",
    "katib-trainjob",
    "kfp-iris",
    "kfp-parallel",
    "serve-iris",
    "serve-zero",
    "train-distributed",
    "train-iris",
}
"""Those that train, tune, run pipelines and serve; the small ones are tested each by itself."""
LATEST = 50 * 60.0
"""Seconds after the begin of the suite from which on it is not begun: everything has 90 minutes in CI, this takes up to 20."""


@pytest.mark.last(8)
@pytest.mark.timeout(2700)
def test_every_sample_of_the_fullest_profile_succeeds(
    platform: Platform, elapsed: Callable[[], float], tmp_path: Path
) -> None:
    if SAMPLES - set(platform.status()["samples"]):
        if not platform.made:
            pytest.skip(f"the platform has not profile {PROFILE}, and is not the suite's own to change")
        if elapsed() > LATEST:
            pytest.skip(f"{elapsed() / 60:.0f} minutes have passed; {LATEST / 60:.0f} leave time for all samples")
        can, why = affordable(PROFILE)
        if not can:
            pytest.skip(why)
        platform.up("--profile", PROFILE)
    file = tmp_path / "results.xml"
    platform.cli("test", "--junit", str(file), timeout=2000)
    cases = list(ET.parse(file).getroot().iter("testcase"))  # noqa: S314 -- our own file
    passed = {case.attrib["name"] for case in cases if not len(case)}
    assert not {f"sample {name} succeeds" for name in SAMPLES} - passed
    assert len(passed) == len(cases)
