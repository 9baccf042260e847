"""Timing whole processes, and the rows that come of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
MLSTACK = (sys.executable, "-m", "mlstack")


@dataclass(frozen=True)
class Timed:
    """A finished process. seconds: wall; cpu: user and system; memory: peak resident bytes; code: its exit code."""

    seconds: float
    cpu: float
    memory: int
    out: str
    code: int = 0


@dataclass(frozen=True)
class Row:
    """One line of the table. peer: what it stands beside, with its figure; met: None where there is no goal."""

    goal: str
    what: str
    measured: str
    peer: str = ""
    target: str = ""
    met: bool | None = None
    note: str = ""


@dataclass
class Results:
    """What one part measured, with the conditions it was measured in."""

    part: str
    command: str
    rows: list[Row] = field(default_factory=list)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, row: Row) -> None:
        """Keeps a row and prints it."""
        self.rows.append(row)
        mark = {True: "met", False: "NOT met", None: ""}[row.met]
        print(f"{row.goal:5} {row.what}: {row.measured} | {row.peer} | {row.target} {mark} {row.note}", flush=True)

    def save(self) -> None:
        """Writes the part's file, from which docs/benchmarks.md is made."""
        RESULTS.mkdir(exist_ok=True)
        content = {
            "part": self.part,
            "command": self.command,
            "date": datetime.now(tz=UTC).date().isoformat(),
            "conditions": conditions(self.load),
            "rows": [asdict(row) for row in self.rows],
        }
        (RESULTS / f"{self.part}.json").write_text(json.dumps(content, indent=2) + "\n")


def conditions(load: float) -> str:
    """The machine in a line. load: the load average before the first measurement."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}, load average before {load:.1f}"


def _usual() -> dict[str, str]:
    """The environment as users have it: what developers set would make every start compile all modules again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def timed(
    argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None, may_fail: bool = False
) -> Timed:
    """Runs a program to its end. Raises SystemExit with its last words when it fails, unless it may."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, cwd=cwd, env={**_usual(), **(env or {})}
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
        if process.returncode and not may_fail:
            errors.seek(0)
            last = errors.read().decode(errors="replace")[-3000:]
            raise SystemExit(f"{' '.join(map(str, argv))} ended with {process.returncode}\n{text[-1000:]}\n{last}")
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text, process.returncode)


def mlstack(*args: str, env: Mapping[str, str] | None = None) -> Timed:
    """Runs ``mlstack``."""
    return timed([*MLSTACK, *args], env)
