"""Python packages for an image: pip installs a committed lock with hashes, wheels only, for the image's interpreter."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.layer import entries_of
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.trees import clean_work, trim
from mlstack.artifacts.wheels import pip_failed
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.ports import Cancelled, Shell
from mlstack.core.recipe import PythonPackages

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_NEWEST_GLIBC = 36
"""Minor version of the C library of the base images (Debian bookworm: 2.36); wheels that ask for less run there too."""


class PythonInstaller:
    """Installs locks into entries of a layer. python: an interpreter with pip; its own version does not matter."""

    def __init__(self, shell: Shell, paths: Paths, architecture: str, python: str) -> None:
        self._shell = shell
        self._paths = paths
        self._architecture = architecture
        self._python = python

    def lock_file(self, recipe: PythonPackages) -> Path:
        """The committed lock. Raises python.no-lock."""
        path = self._paths.data / "stacks" / "locks" / "python" / f"{recipe.lock}.txt"
        if not path.is_file():
            raise MlstackError(
                "python.no-lock",
                f"There is no Python lock '{recipe.lock}'",
                why=f"looked for {path}",
                remedy="correct the recipe's lock",
            )
        return path

    def lock_digest(self, recipe: PythonPackages) -> str:
        """Hash of the lock's text, part of the layer's key."""
        with guard(self.lock_file(recipe)):
            return hashlib.sha256(self.lock_file(recipe).read_bytes()).hexdigest()

    @contextmanager
    def installed(
        self, recipe: PythonPackages, on_line: Callable[[str], None], cancelled: Cancelled
    ) -> Iterator[list[LayerEntry]]:
        """Entries of the installed packages below ``recipe.to``; their content lives as long as the block.

        Raises python.no-lock, wheel.unavailable, download.hash-mismatch, disk.*, run.interrupted.
        """
        lock = self.lock_file(recipe)
        clean_work(self._paths.cache / "work")
        work = make_directory(temporary_name(make_directory(self._paths.cache / "work"), "pip"))
        target = work / "target"
        try:
            argv = [self._python, "-m", "pip", "install", "--target", str(target), "--require-hashes", "--no-deps"]
            argv += ["--only-binary=:all:", "--no-compile", "--no-warn-script-location", "--progress-bar=off"]
            argv += ["--implementation=cp", f"--python-version={recipe.python}", *self._platforms(), "-r", str(lock)]
            log = make_directory(self._paths.cache / "logs") / f"pip-{recipe.lock}.log"
            env = {
                "PIP_CACHE_DIR": str(self._paths.downloads / "pip"),
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "TMPDIR": str(make_directory(work / "tmp")),
            }
            result = self._shell.run(argv, env=env, log=log, on_line=on_line, timeout=3600, cancelled=cancelled)
            if result.code:
                error = pip_failed(f"lock '{recipe.lock}'", result.errors, str(self._paths.cache))
                error.see = str(log)
                raise error
            with guard(target):
                trim(target, [*recipe.trim, "**/__pycache__"])
                _fix_scripts(target, recipe.python)
            yield entries_of(target, recipe.to)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _platforms(self) -> list[str]:
        machine = _MACHINES.get(self._architecture, self._architecture)
        names = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC, 16, -1)]
        return [f"--platform={name}" for name in [*names, f"manylinux2014_{machine}", f"linux_{machine}"]]


def _fix_scripts(target: Path, python: str) -> None:
    """Scripts name the interpreter that ran pip, which is not in the image; RECORD holds their hashes and is adapted."""
    changed = set()
    for script in sorted((target / "bin").glob("*")):
        data = script.read_bytes()
        if script.is_file() and data.startswith(b"#!"):
            first, _, rest = data.partition(b"\n")
            if b"python" in first:
                script.write_bytes(f"#!/usr/bin/env python{python}\n".encode() + rest)
                changed.add(script.name)
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines()
        fixed = [_without_hash(line) if _names_script(line, changed) else line for line in lines]
        record.write_text("".join(f"{line}\n" for line in sorted(fixed)), encoding="utf-8")


def _names_script(line: str, changed: set[str]) -> bool:
    match = re.match(r"^(?:\.\./)*bin/([^,]+),", line)
    return bool(match and match[1] in changed)


def _without_hash(line: str) -> str:
    return line.partition(",")[0] + ",,"
