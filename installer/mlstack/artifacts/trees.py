"""Whole directories: how much they take, removing them, and what killed processes left of theirs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlstack.artifacts.disk import guard, owner_is_gone
from mlstack.artifacts.rootfs import matcher


def tree_size(path: Path) -> int:
    """Allocated bytes below a directory; 0 when it is not there."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                stat = os.lstat(os.path.join(directory, name))  # noqa: PTH118  (hundreds of thousands of files)
            except OSError:
                continue
            if stat.st_nlink > 1:
                if (stat.st_dev, stat.st_ino) in seen:
                    continue
                seen.add((stat.st_dev, stat.st_ino))
            total += stat.st_blocks * 512
    return total


def holds_mount(path: Path, table: Path = Path("/proc/self/mountinfo")) -> bool:
    """True when something is mounted at or below a directory: deleting it would delete what is mounted."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    points = [Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])) for line in lines]
    return any(point.is_relative_to(path.resolve()) for point in points)


def remove_tree(path: Path) -> None:
    """Removes a directory, read-only ones of Go's module cache too; one with a mount in it is left alone. Raises disk.*."""

    def writable(_function: object, name: str, _error: object) -> None:
        Path(name).parent.chmod(0o700)
        if Path(name).is_dir() and not Path(name).is_symlink():
            Path(name).chmod(0o700)
            shutil.rmtree(name)
        else:
            Path(name).unlink(missing_ok=True)

    if path.exists() and not holds_mount(path):
        with guard(path):
            shutil.rmtree(path, onerror=writable)


def trim(directory: Path, globs: Sequence[str]) -> None:
    """Removes what is below a directory and matches one of a recipe's globs; links, not what they lead to. Raises OSError."""
    unwanted = matcher(globs)
    for path in sorted(directory.rglob("*"), reverse=True):
        if unwanted.fullmatch(path.relative_to(directory).as_posix()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def clean_work(directory: Path) -> int:
    """Removes what killed processes left in a directory of temporary names; returns bytes freed. Raises disk.*."""
    freed = 0
    for path in directory.glob("*"):
        if owner_is_gone(path.name):
            freed += tree_size(path)
            remove_tree(path)
    return freed
