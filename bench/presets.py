"""Every profile in turn, on a cluster of its own: how long it takes to come up from cached images, and what it takes when idle."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from bench.idle import NODES, Use, requested, used
from bench.measure import Results, Row, mlstack
from mlstack.adapters.catalog import DataCatalogue

INSTANCE = "preset"
ROOT = Path(__file__).resolve().parent.parent
SHOWN = 6
"""Namespaces that are named, those with the most memory."""
CEILINGS = {"minimal": 3, "full": 8}
"""GiB (P17)."""


def measure() -> Results:
    """P17 and the warm ``up`` of all profiles. No other platform may be up, and their images are cached."""
    results = Results("presets", "python -m bench presets")
    for profile in profiles():
        for row in _profile(profile):
            results.add(row)
    return results


def profiles() -> list[str]:
    """The profiles of the newest release."""
    catalogue = DataCatalogue(ROOT)
    return list(catalogue.release(catalogue.releases()[-1]).spec.profiles)


def _profile(profile: str) -> list[Row]:
    name = ("--name", INSTANCE)
    try:
        up = mlstack("up", "--yes", "--plain", "--no-ui", "--profile", profile, *name).seconds
        again = mlstack("up", "--yes", "--plain", "--no-ui", *name).seconds
        asked, parts = requested(INSTANCE), used(INSTANCE)
    finally:
        down = mlstack("down", "--purge", "--yes", *name).seconds
    return rows(profile, (up, again, down), asked, parts)


def rows(profile: str, seconds: tuple[float, float, float], asked: Use, parts: dict[str, Use]) -> list[Row]:
    """The lines of a profile. seconds: of ``up``, of a second one and of ``down``; asked: requests of all pods; parts: use by
    pod, and of NODES."""
    up, again, down = seconds
    spaces: defaultdict[str, Use] = defaultdict(lambda: Use(0, 0))
    for pod, use in parts.items():
        if pod != NODES:
            spaces[pod.partition("/")[0]] += use
    most = sorted(spaces, key=lambda space: -spaces[space].memory)[:SHOWN]
    ceiling = CEILINGS.get(profile)
    met = parts[NODES].memory <= ceiling * 1024 if ceiling else None
    note = ", ".join(f"{space} {spaces[space].memory:.0f} MiB" for space in most)
    goal, target = ("P17", f"{ceiling} GiB") if ceiling else ("", "")
    return [
        Row("", f"`{profile}`: `up`", f"{up:.0f} s", note=f"again {again:.1f} s, `down --purge` {down:.0f} s"),
        Row(goal, f"`{profile}`: idle", str(parts[NODES]), f"requested: {asked}", target, met, note),
    ]
