"""Wheels by their ordinary client (pip, its index, mirrors and CA settings), pinned by hash; files are read, nothing is run."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from mlstack.artifacts.disk import make_directory, temporary_name
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled, Shell

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def host_architecture() -> str:
    """``amd64`` or ``arm64``; other machines keep their own name."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


class Wheels:
    """Fetches wheels once. python: an interpreter with pip, this process's by default."""

    def __init__(self, shell: Shell, downloads: Path, python: str = sys.executable) -> None:
        self._shell = shell
        self._directory = downloads / "wheels"
        self.python = python

    def fetch(
        self,
        name: str,
        version: str,
        sha256: Mapping[str, str],
        architecture: str,
        cancelled: Cancelled = lambda: False,
    ) -> Path:
        """The verified wheel for an architecture. Raises wheel.no-architecture, wheel.unavailable, download.hash-mismatch."""
        expected = sha256.get(architecture)
        if not expected:
            raise MlstackError(
                "wheel.no-architecture",
                f"{name} {version} is pinned for {', '.join(sorted(sha256))}, not for {architecture}",
                remedy="use a registry or bundle source for this architecture",
            )
        kept = self._directory / f"{expected}.whl"
        if kept.is_file() and _hash(kept) == expected:
            return kept
        work = make_directory(temporary_name(make_directory(self._directory), "wheel"))
        try:
            found = self._download(f"{name}=={version}", expected, work, cancelled)
            if _hash(found) != expected:
                raise _mismatch(f"{name} {version}", expected, _hash(found))
            found.replace(kept)
        finally:
            for path in work.iterdir():
                path.unlink()
            work.rmdir()
        return kept

    def _download(self, requirement: str, expected: str, work: Path, cancelled: Cancelled) -> Path:
        (work / "lock.txt").write_text(f"{requirement} --hash=sha256:{expected}\n")
        argv = [self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        result = self._shell.run(
            [*argv, "--dest", str(work), "-r", str(work / "lock.txt")], timeout=1800, cancelled=cancelled
        )
        if cancelled():
            raise interrupted(f"fetching {requirement}")
        wheels = list(work.glob("*.whl"))
        if result.code or not wheels:
            raise pip_failed(requirement, result.errors, str(self._directory))
        return wheels[0]


def pip_failed(what: str, errors: str, where: str = "") -> MlstackError:
    """The error of a failed pip, told apart: a hash that does not match, an index that has not the version, the network."""
    tail = " / ".join(line.strip() for line in errors.strip().splitlines()[-6:])
    if "DO NOT MATCH THE HASHES" in errors:
        lines = [
            line.strip() for line in errors.splitlines() if "Expected sha256" in line or "Got " in line or "or " in line
        ]
        return MlstackError(
            "download.hash-mismatch",
            f"What the package index sent for {what} is not what the recipe pins",
            why="; ".join(lines),
            remedy="do not use it; try another index, and if it stays so tell the recipe's maintainer",
        )
    if "No module named pip" in errors:
        return MlstackError(
            "wheel.no-pip", "pip is not there", why=tail, remedy="run `python -m ensurepip` in mlstack's environment"
        )
    if "No space left" in errors:
        return MlstackError(
            "disk.full",
            f"No space left{f' below {where}' if where else ''} while fetching {what}",
            why=tail,
            remedy="free space (`mlstack images prune` trims build caches), then repeat the command: it resumes",
        )
    return MlstackError(
        "wheel.unavailable",
        f"{what} could not be fetched from the package index",
        why=tail,
        remedy="check the network and pip's configuration (index-url, proxy, cert)",
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mismatch(what: str, expected: str, found: str) -> MlstackError:
    return MlstackError(
        "download.hash-mismatch",
        f"What the package index sent for {what} is not what the recipe pins",
        why=f"expected sha256 {expected}, got {found}",
        remedy="do not use it; try another index",
    )
