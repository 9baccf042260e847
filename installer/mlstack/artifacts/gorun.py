"""``go`` invocations of one build: listing and fetching, compiling, their log and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlstack.artifacts.disk import make_directory
from mlstack.artifacts.goerrors import compile_failed
from mlstack.artifacts.gotoolchain import Toolchain
from mlstack.core.ports import Cancelled, Process, Shell
from mlstack.core.recipe import GoProgram

Progress = Callable[[str, float, float, str], None]
"""Gets message, done, total and unit."""
_TIMEOUT = 3 * 3600.0
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-pgo=off", "-gcflags=all=-dwarf=false")
"""Flags of every build. The linker strips debugging data anyhow: not making it saves about an eighth of the CPU time."""
_PACKAGE = re.compile(r"^[A-Za-z0-9_.~/+-]+$")


@dataclass(frozen=True, slots=True)
class Unit:
    """One program to build. key: its store key; variables: linker ``-X`` symbol -> value."""

    key: str
    package: str
    variables: Mapping[str, str] = field(default_factory=dict)


class GoRun:
    """``go`` invocations of one build, with their log and error."""

    def __init__(
        self,
        shell: Shell,
        toolchain: Toolchain,
        environment: dict[str, str],
        log: Path,
        program: GoProgram,
        cancelled: Cancelled,
    ) -> None:
        self._shell, self._toolchain, self._environment = shell, toolchain, environment
        self._log, self._program, self._cancelled = log, program, cancelled
        self._tags = [f"-tags={','.join(program.tags)}"] if program.tags else []

    def go(self, argv: Sequence[str], cwd: Path, what: str, on_line: Callable[[str], None] | None = None) -> Process:
        """Runs ``go`` with ``argv``; a failure becomes go.compile-failed with the log's tail."""
        full = [str(self._toolchain.program), *argv]
        make_directory(self._log.parent)
        result = self._shell.run(
            full,
            env=self._environment,
            cwd=cwd,
            log=self._log,
            timeout=_TIMEOUT,
            on_line=on_line,
            cancelled=self._cancelled,
        )
        if result.code:
            raise compile_failed(self._program.lock, " ".join(["go", *argv]), what, result.errors, str(self._log))
        return result

    def fetch(self, packages: Sequence[str], cwd: Path, progress: Progress) -> int:
        """Downloads just the modules the packages need; returns how many packages a build compiles."""

        def line(text: str) -> None:
            if text.startswith("go: downloading "):
                progress(text.removeprefix("go: "), 0, 0, "packages")

        progress("listing packages", 0, 0, "packages")
        argv = ["list", "-deps", "-mod=readonly", *self._tags, *packages]
        return len(self.go(argv, cwd, "fetch the modules", line).output.split())

    def compile(self, batch: Sequence[Unit], cwd: Path, out: Path, total: int, progress: Progress) -> None:
        """One ``go build`` into ``out``, counting the packages that it names as it compiles them."""
        done = 0

        def line(text: str) -> None:
            nonlocal done
            if _PACKAGE.match(text):
                done += 1
                progress(text, min(done, total), total, "packages")

        variables = {symbol: value for unit in batch for symbol, value in unit.variables.items()}
        flags = [*FLAGS, *self._tags, f"-ldflags={linker_flags(variables, static=self._program.static)}"]
        self.go(["build", "-v", *flags, "-o", f"{out}/", *(unit.package for unit in batch)], cwd, "compile", line)


def linker_flags(variables: Mapping[str, str], *, static: bool = False) -> str:
    """``-ldflags`` for stripped programs with ``-X`` constants; values with spaces are quoted as go wants it.

    No build id: it would differ with the variables of programs that happen to be built beside it.
    """
    flags = ["-s", "-w", "-buildid="]
    flags += ["-linkmode", "external", "-extldflags", "-static"] if static else []
    for symbol, value in sorted(variables.items()):
        quote = '"' if "'" in value else "'"
        text = f"{symbol}={value}"
        flags += ["-X", f"{quote}{text}{quote}" if re.search(r"[\s'\"]", text) else text]
    return " ".join(flags)


def executable_name(package: str) -> str:
    """The name ``go build -o directory/`` gives a program: the last element that is not a major version."""
    parts = [part for part in package.split("/") if part not in (".", "")]
    if len(parts) > 1 and re.fullmatch(r"v[2-9]|v[1-9]\d+", parts[-1]):
        return parts[-2]
    return parts[-1]


def batches(units: Sequence[Unit]) -> list[list[Unit]]:
    """Units in as few builds as possible: in one build executables have different names and variables do not disagree."""
    found: list[list[Unit]] = []
    for unit in sorted(units, key=lambda each: each.package):
        for batch in found:
            if all(_agree(unit, other) for other in batch):
                batch.append(unit)
                break
        else:
            found.append([unit])
    return found


def _agree(one: Unit, other: Unit) -> bool:
    if executable_name(one.package) == executable_name(other.package) or _of_main(one) != _of_main(other):
        return False
    shared = one.variables.keys() & other.variables.keys()
    return all(one.variables[symbol] == other.variables[symbol] for symbol in shared)


def _of_main(unit: Unit) -> dict[str, str]:
    """Variables of package main: in one build they would reach every program."""
    return {symbol: value for symbol, value in unit.variables.items() if symbol.startswith("main.")}
