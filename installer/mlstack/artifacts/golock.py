"""A committed Go lock (go.mod, go.sum, own packages): read, hashed, and copied to a work directory with restored files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlstack.artifacts.disk import guard
from mlstack.core.errors import MlstackError
from mlstack.core.ports import Process
from mlstack.core.recipe import GoProgram, Restore


@dataclass(frozen=True, slots=True)
class GoLock:
    """A lock directory. digest: hash over every file's path and content; go_mod: the text of its go.mod."""

    directory: Path
    digest: str
    go_mod: str


def read_lock(directory: Path) -> GoLock:
    """Reads a lock. Raises go.no-lock when go.mod or go.sum is missing."""
    missing = [name for name in ("go.mod", "go.sum") if not (directory / name).is_file()]
    if missing:
        raise MlstackError(
            "go.no-lock",
            f"The lock '{directory.name}' has no {' and no '.join(missing)}",
            why=f"looked in {directory}",
            remedy="correct the recipe's lock, or make it with `mlstack dev lock`",
        )
    total = hashlib.sha256()
    with guard(directory):
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
        return GoLock(directory, total.hexdigest(), (directory / "go.mod").read_text(encoding="utf-8"))


def prepare(lock: GoLock, program: GoProgram, work: Path, go: Callable[[Sequence[str]], Process]) -> None:
    """Copies the lock to ``work/lock`` and replaces modules whose zips lack files by writable copies with these restored.

    go: runs the go command there. Raises go.restore-failed, go.compile-failed, disk.*.
    """
    target = work / "lock"
    with guard(target):
        shutil.copytree(lock.directory, target)
    modules = sorted({each.module for each in program.restore})
    for number, module in enumerate(modules):
        found = json.loads(go(["mod", "download", "-json", module]).output)
        copy = work / f"restored-{number}"
        with guard(copy):
            shutil.copytree(found["Dir"], copy)
            _make_writable(copy)
        for each in program.restore:
            if each.module == module:
                _restore(copy, each)
        with guard(target), (target / "go.mod").open("a", encoding="utf-8") as file:
            # a relative path: the program's build information holds it, and the same inputs shall give the same digest
            file.write(f"\nreplace {module} => ../{copy.name}\n")


def _restore(copy: Path, each: Restore) -> None:
    base = copy.resolve()
    origin, place = (copy / each.source).resolve(), (copy / each.target).resolve()
    inside = origin.is_relative_to(base) and place.is_relative_to(base)
    if not inside or not (each.content or origin.is_file()):
        raise MlstackError(
            "go.restore-failed",
            f"'{each.source or each.target}' of module {each.module} cannot be restored as '{each.target}'",
            why="it is not a file of that module",
            remedy="correct the recipe's restore list",
        )
    with guard(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if each.content:
            place.write_text(each.content, encoding="utf-8")
        else:
            shutil.copyfile(origin, place)


def _make_writable(directory: Path) -> None:
    for path in [directory, *directory.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
