"""Builds Go programs from committed locks with the ordinary ``go`` command: no resolving, every hash pinned, cached by recipe.

Programs of one lock with the same tags, cgo and restored files are built by one ``go build``: the first program of a
module costs nearly all the time, its sisters little.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlstack.artifacts.compileslot import CompileSlot
from mlstack.artifacts.disk import make_directory, temporary_name
from mlstack.artifacts.goerrors import compile_failed
from mlstack.artifacts.golock import GoLock, prepare, read_lock
from mlstack.artifacts.gorun import FLAGS, GoRun, Progress, Unit, batches, executable_name
from mlstack.artifacts.gotoolchain import Toolchain, Toolchains
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.trees import clean_work
from mlstack.core.model import Paths
from mlstack.core.ports import Cancelled, Shell
from mlstack.core.recipe import GoProgram, fingerprint


@dataclass(frozen=True, slots=True)
class Binary:
    """A built program in the store. seconds: its share of the build's wall time when it was made."""

    name: str
    digest: str
    size: int


class GoBuilder:
    """Builds and caches programs. siblings: every program of the catalogue, so that one build makes all that share a lock."""

    def __init__(
        self,
        store: Store,
        shell: Shell,
        toolchains: Toolchains,
        slot: CompileSlot,
        paths: Paths,
        architecture: str,
        siblings: Iterable[GoProgram] = (),
    ) -> None:
        self._store = store
        self._shell = shell
        self._toolchains = toolchains
        self._slot = slot
        self._paths = paths
        self._architecture = architecture
        self._siblings = tuple(siblings)
        self._locks: dict[str, GoLock] = {}

    def lock_of(self, program: GoProgram) -> GoLock:
        """The committed lock of a recipe, read once. Raises go.no-lock."""
        if program.lock not in self._locks:
            self._locks[program.lock] = read_lock(self._paths.data / "stacks" / "locks" / "go" / program.lock)
        return self._locks[program.lock]

    def group_key(self, program: GoProgram) -> str:
        """Identifies what decides how packages compile: programs with the same group key are built together."""
        restore = [each.model_dump(mode="json") for each in program.restore]
        parts = (self.lock_of(program).digest, sorted(program.tags), program.cgo, program.static, restore)
        return fingerprint("go", 2, self._architecture, FLAGS, *parts)

    def unit(self, program: GoProgram, package: str) -> Unit:
        """One package of a recipe as it is built and kept."""
        return Unit(
            fingerprint("program", self.group_key(program), package, program.variables), package, program.variables
        )

    def cached(self, program: GoProgram) -> dict[str, Binary] | None:
        """The recipe's binaries if all are in the store, verified."""
        found = {}
        for name, package in program.packages.items():
            entry = self._store.get(self.unit(program, package).key)
            if entry is None:
                return None
            found[name] = Binary(name, entry.digest, entry.size)
        return found

    def obtain(self, program: GoProgram, rank: int, progress: Progress, cancelled: Cancelled) -> dict[str, Binary]:
        """The recipe's binaries by name, built if need be. Raises go.*, disk.*, run.interrupted."""
        if found := self.cached(program):
            return found
        key = self.group_key(program)
        progress("waiting for the other programs of this lock", 0, 0, "")
        with self._store.lock(f"go-{key}", cancelled):
            if found := self.cached(program):
                return found
            self._build(program, self._missing(program, key), rank, progress, cancelled)
        built = self.cached(program)
        if built is None:
            raise compile_failed(program.lock, "go build", "it made no program", "", "")
        return built

    def _missing(self, program: GoProgram, key: str) -> list[Unit]:
        """What the store lacks of this recipe and of all others of its group."""
        group = [
            program,
            *(each for each in self._siblings if each.lock == program.lock and self.group_key(each) == key),
        ]
        units = {
            unit.key: unit
            for each in group
            for unit in (self.unit(each, package) for package in each.packages.values())
        }
        return [units[key] for key in sorted(units) if self._store.peek(key) is None]

    def _build(
        self, program: GoProgram, units: Sequence[Unit], rank: int, progress: Progress, cancelled: Cancelled
    ) -> None:
        lock = self.lock_of(program)
        toolchain = self._toolchains.find(lock.go_mod, cancelled)
        clean_work(self._paths.cache / "work")
        work = make_directory(temporary_name(make_directory(self._paths.cache / "work"), f"go-{program.lock}"))
        log = self._paths.cache / "logs" / f"go-{program.lock}.log"
        run = GoRun(self._shell, toolchain, self._environment(program, work), log, program, cancelled)
        try:
            prepare(lock, program, work, lambda argv: run.go(argv, work / "lock", "prepare the sources"))
            total = run.fetch(sorted({unit.package for unit in units}), work / "lock", progress)
            progress("waiting for another compile", 0, total, "packages")
            made: list[tuple[list[Unit], Path, float]] = []
            with self._slot.held(rank, cancelled):
                for number, batch in enumerate(batches(units)):
                    start = time.monotonic()
                    out = make_directory(work / f"out-{number}")
                    run.compile(batch, work / "lock", out, total, progress)
                    made.append((batch, out, (time.monotonic() - start) / len(batch)))
            # storing is for the disk: the next compile need not wait for it
            for batch, out, seconds in made:
                self._keep(program, batch, out, seconds, toolchain)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _keep(self, program: GoProgram, batch: Sequence[Unit], out: Path, seconds: float, toolchain: Toolchain) -> None:
        for unit in batch:
            digest, size = self._store.add_file(out / executable_name(unit.package))
            data = {"package": unit.package, "lock": program.lock, "go": toolchain.version}
            self._store.put(Entry(unit.key, "program", digest, {digest: size}, data, round(seconds, 3)))

    def _environment(self, program: GoProgram, work: Path) -> dict[str, str]:
        go = make_directory(self._paths.go)
        return {
            "GOMODCACHE": str(go / "mod"),
            "GOCACHE": str(go / "build"),
            "GOPATH": str(go / "path"),
            "GOTMPDIR": str(make_directory(work / "tmp")),
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "",
            "GOWORK": "off",
            "GO111MODULE": "on",
            "GOOS": "linux",
            "GOARCH": self._architecture,
            "CGO_ENABLED": "1" if program.cgo else "0",
        }
