"""The life of the platform on this machine: down and up with warm caches, stop and start, and what it takes when idle."""

from __future__ import annotations

from bench.idle import NODES, used
from bench.measure import Results, Row, mlstack

MEMORY = 3 * 1024.0
"""MiB that profile ``minimal`` may take (P17)."""


def measure(instance: str) -> Results:
    """P20, stop and start, P17. The platform ends as it was: up."""
    results = Results("lifecycle", "python -m bench lifecycle")
    name = ("--name", instance)
    down = mlstack("down", *name).seconds
    results.add(Row("", "`down` (data kept)", f"{down:.1f} s"))
    up = mlstack("up", "--yes", "--plain", *name).seconds
    hello = mlstack("run", "hello", "--watch", *name).seconds
    what = "`up` after `down`, images cached, to the first sample Succeeded"
    note = f"up {up:.1f} s, sample {hello:.1f} s"
    results.add(Row("P20", what, f"{up + hello:.1f} s", "", "120 s", up + hello <= 120, note))
    again = mlstack("up", "--yes", "--plain", *name)
    results.add(Row("", "second `up`, nothing changes, whole process", f"{again.seconds:.2f} s"))
    stop = mlstack("stop", *name).seconds
    results.add(Row("", "`stop`, every pod ended first", f"{stop:.1f} s", "", "20 s", stop <= 20))
    start = mlstack("start", *name).seconds
    results.add(Row("", "`start`, every pod Ready again", f"{start:.1f} s", "", "90 s", start <= 90))
    parts = used(instance)
    for part, one in sorted(parts.items(), key=lambda item: (item[0] != NODES, item[0])):
        goal = ("P17", "3 GiB", one.memory <= MEMORY) if part == NODES else ("", "", None)
        results.add(Row(goal[0], f"idle, {part}", str(one), "", goal[1], goal[2]))
    return results
