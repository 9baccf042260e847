"""How long the command takes to start, against the bare interpreter (P9)."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from bench.measure import Results, Row, timed

ROUNDS = 20


def measure() -> Results:
    """``--help`` and ``--version`` of the installed command and ``python -I -c pass``, in turns; medians."""
    results = Results("start", "python -m bench start")
    program = str(Path(sys.executable).with_name("mlstack"))
    for flag in ("--help", "--version"):
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(timed([program, flag]).seconds)
            bare.append(timed([sys.executable, "-I", "-c", "pass"]).seconds)
        mine, other = statistics.median(ours), statistics.median(bare)
        peer = f"bare Python {other * 1000:.0f} ms: {mine / other:.1f}x"
        row = Row("P9", f"`mlstack {flag}`", f"{mine * 1000:.0f} ms", peer, "5x", mine / other <= 5)
        results.add(row)
    return results
