"""Which profile the suite makes a platform of: the fullest one whose images are cached, or made in a few minutes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from e2e.platform import COMMAND
from mlstack.core.words import some_of
from mlstack.engine.durations import Durations

PROFILES = ("standard", "minimal")
"""The fullest first; the last one is made in any case. All tests of profiles with more than these are run where the variable names
one: they take longer than CI may."""
BUILDING = 600.0
"""Seconds that images which are not cached may take; from nothing a profile takes far longer than CI has time."""


class HalfUp(Exception):
    """The platform is there and not ready: neither one to test nor room for another."""


def usable(status: Mapping[str, Any]) -> bool:
    """Whether the suite runs on the instance of this ``mlstack status --json``; False: there is none.

    Raises HalfUp with what waits and the remedy.
    """
    if status["ready"] or status["cluster"] == "absent":
        return bool(status["ready"])
    waits = [
        f"{stack['name']}: {one['resource']} {one['reason']}" for stack in status["stacks"] for one in stack["pending"]
    ] or status["missing"]
    shown = some_of(waits) or f"its cluster is {status['cluster']}"
    name = status["instance"]
    raise HalfUp(
        f"instance {name!r} is there but not ready ({shown}): finish it with 'mlstack up --name {name}', remove it with"
        f" 'mlstack down --name {name}', or name another one in MLSTACK_E2E_NAME"
    )


def chosen(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The profile and why, for people. MLSTACK_E2E_PROFILE decides where it is set."""
    if wish := environ.get("MLSTACK_E2E_PROFILE"):
        return wish, "MLSTACK_E2E_PROFILE names it"
    why = []
    for profile in PROFILES[:-1]:
        can, reason = affordable(profile, environ)
        if can:
            return profile, reason
        why.append(reason)
    return PROFILES[-1], "; ".join(why)


def affordable(profile: str, environ: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Whether the images of a profile are there in a few minutes, and why, for people."""
    took = Durations(_cache(environ) / "durations.json").estimates()
    missing = [str(one["ref"]) for one in _images(profile, environ) if not one["cached"]]
    seconds = building(missing, took)
    if seconds <= BUILDING:
        more = f", {len(missing)} to make in about {seconds:.0f} s" if missing else ""
        return True, f"the images of {profile} are cached{more}"
    return False, f"images of {profile} are not cached: {some_of(missing)}"


def building(missing: Iterable[str], took: Mapping[str, float]) -> float:
    """Seconds that the images may take: as long as others of the same name did; without end for one that was never made."""
    known: dict[str, float] = {}
    for step, seconds in took.items():
        kind, _, ref = step.partition(":")
        if kind == "image":
            known[_name(ref)] = max(seconds, known.get(_name(ref), 0.0))
    return sum(known.get(_name(ref), float("inf")) for ref in missing)


def _name(ref: str) -> str:
    return ref.rpartition(":")[0]


def _images(profile: str, environ: Mapping[str, str]) -> list[dict[str, object]]:
    argv = [*COMMAND, "images", "list", "--json", "--name", "e2e-choice"]
    run = subprocess.run(
        argv, capture_output=True, text=True, check=True, timeout=120, env={**environ, "MLSTACK_PROFILE": profile}
    )
    items: list[dict[str, object]] = json.loads(run.stdout.splitlines()[-1])["items"]
    return items


def _cache(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("MLSTACK_CACHE_DIR") or platformdirs.user_cache_path("mlstack"))
