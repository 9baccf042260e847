"""Runs: from a sample's submission to its success, as ``mlstack run --watch`` follows it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from bench.measure import Results, Row
from e2e.platform import Platform

ROUNDS = 3
WATCHED = ("kfp-iris", "katib-random")
"""Samples that are measured."""


@dataclass(frozen=True)
class Ended:
    """A sample that succeeded. seconds: from its submission; results: its named values."""

    seconds: float
    results: dict[str, str]


def measure(instance: str) -> Results:
    """How long pipelines and tuning take. Raises SystemExit where a sample does not succeed or the platform has it not."""
    results = Results("samples", "python -m bench samples")
    platform = Platform(instance)
    for sample in WATCHED:
        results.add(row(sample, [watched(platform, sample) for _ in range(ROUNDS)]))
    return results


def row(sample: str, runs: list[Ended]) -> Row:
    """The line of a sample's runs; the first stands apart, because images may be read from disk for it."""
    seconds = [run.seconds for run in runs]
    found = ", ".join(f"{name} {value}" for name, value in sorted(runs[-1].results.items()) if len(value) <= 20)
    note = f"{len(runs)} runs, {min(seconds):.1f} to {max(seconds):.1f} s, the first {seconds[0]:.1f} s; {found}"
    return Row("", f"`{sample}`: submitted to Succeeded, median", f"{statistics.median(seconds):.1f} s", note=note)


def watched(platform: Platform, sample: str, *args: str) -> Ended:
    """Runs a sample to its end. Raises SystemExit when it does not succeed."""
    run = platform.cli("run", sample, "--watch", "--json", *args, timeout=1800, check=False)
    last: dict[str, Any] = run.lines()[-1] if run.out.strip() else {}
    if last.get("phase") != "Succeeded":
        raise SystemExit(f"{sample} ended with {last or run.err[-2000:]}")
    return Ended(float(last["seconds"]), dict(last["results"]))
