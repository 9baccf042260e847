"""A cold ``up`` with caches of its own (P19): how long, in which parts, how idle the processors, how much disk before and after."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import MLSTACK, Results, Row, mlstack

INSTANCE = "cold"
USUAL = "minimal"
"""The profile that P19 is about."""
SAMPLE_SECONDS = 5.0
SHOWN = 20
"""Steps that are listed, the longest ones."""
LIMIT_MINUTES, IDLE_PERCENT, PEAK_GB, KEPT_GB = 35, 15, 25, 8


@dataclass(frozen=True)
class Sample:
    """The machine at a moment. busy, total: processor time so far, in the same unit; disk: bytes used."""

    time: float
    busy: float
    total: float
    disk: int


@dataclass(frozen=True)
class Step:
    """A step of the run. begin, end: seconds since the epoch."""

    title: str
    group: str
    begin: float
    end: float


def sample(path: Path) -> Sample:
    """The machine now; ``path`` is on the disk that counts."""
    times = [float(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return Sample(time.time(), sum(times) - times[3] - times[4], sum(times), shutil.disk_usage(path).used)


def steps_of(events: Iterable[dict[str, Any]]) -> list[Step]:
    """The finished steps of an event stream, by their beginning."""
    infos: dict[str, dict[str, Any]] = {}
    begun: dict[str, float] = {}
    steps = []
    for event in events:
        if event["type"] == "RunStarted":
            infos = {one["id"]: one for one in event["steps"]}
        elif event["type"] == "StepStarted":
            begun[event["step"]] = event["time"]
        elif event["type"] == "StepDone":
            info = infos[event["step"]]
            steps.append(Step(info["title"], info["group"], begun[event["step"]], event["time"]))
    return sorted(steps, key=lambda step: step.begin)


def rows(steps: list[Step], samples: list[Sample], total: float, kept: int, goals: bool = True) -> list[Row]:
    """The table. total: seconds of the whole command; kept: bytes that stay after ``images prune``; goals: whether P19 is of
    this profile."""
    images = [step for step in steps if step.group == "images" and step.title.startswith("Obtain")]
    idle = _idle(samples, min(step.begin for step in images), max(step.end for step in images))
    peak = (max(one.disk for one in samples) - samples[0].disk) / 1e9

    def row(goal: str, what: str, value: float, form: str, limit: int) -> Row:
        unit = form.rpartition(" ")[2]
        return (
            Row(goal, what, form.format(value), "", f"{limit} {unit}", value <= limit)
            if goals
            else Row("", what, form.format(value))
        )

    found = [
        row("P19", "the whole command", total / 60, "{:.1f} min", LIMIT_MINUTES),
        row("P19", "processors idle while images are built", idle, "{:.0f} %", IDLE_PERCENT),
        row("", "disk at its peak", peak, "{:.1f} GB", PEAK_GB),
        row("", "disk after `images prune`, platform up", kept / 1e9, "{:.1f} GB", KEPT_GB),
    ]
    first = samples[0].time
    for step in sorted(steps, key=lambda one: one.begin - one.end)[:SHOWN]:
        when = f"from {(step.begin - first) / 60:.1f} min on; steps overlap"
        found.append(Row("", step.title, f"{step.end - step.begin:.0f} s", "", "", None, when))
    return found


def _idle(samples: list[Sample], begin: float, end: float) -> float:
    """Percent of the processors' time that nothing used."""
    inside = [one for one in samples if begin <= one.time <= end]
    return 100 * (1 - (inside[-1].busy - inside[0].busy) / (inside[-1].total - inside[0].total))


def measure(profile: str = USUAL) -> Results:
    """Makes a platform of a profile from nothing and takes it away again."""
    results = Results(
        "cold" if profile == USUAL else f"cold-{profile}",
        "python -m bench cold" + ("" if profile == USUAL else f" --profile {profile}"),
    )
    with tempfile.TemporaryDirectory(prefix="mlstack-cold-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        env = {"MLSTACK_CACHE_DIR": str(root / "cache"), "MLSTACK_STATE_DIR": str(root / "state")}
        samples, done = [sample(root)], threading.Event()

        def watch() -> None:
            while not done.wait(SAMPLE_SECONDS):
                samples.append(sample(root))

        threading.Thread(target=watch, daemon=True).start()
        try:
            events, seconds = _up(env, profile)
            done.set()
            mlstack("images", "prune", "--name", INSTANCE, env=env)
            kept = sample(root).disk - samples[0].disk
        finally:
            done.set()
            mlstack("down", "--purge", "--yes", "--name", INSTANCE, env=env)
        for row in rows(steps_of(events), samples, seconds, kept, profile == USUAL):
            results.add(row)
    return results


def _up(env: dict[str, str], profile: str) -> tuple[list[dict[str, Any]], float]:
    events, begun = [], time.monotonic()
    argv = [*MLSTACK, "up", "--yes", "--json", "--no-ui", "--profile", profile, "--name", INSTANCE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env={**os.environ, **env}) as run:
        assert run.stdout is not None
        for line in run.stdout:
            event = json.loads(line)
            events.append(event)
            if event["type"] == "StepDone" and event["seconds"] > 5:
                print(f"      {event['step']}: {event['seconds']:.0f} s", flush=True)
    if run.returncode:
        raise SystemExit(f"up ended with {run.returncode}: {events[-1]}")
    return events, time.monotonic() - begun
