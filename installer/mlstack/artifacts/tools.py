"""Programs run on the host (``kind``): found in PATH with a fitting version, else built or taken from a wheel and kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from mlstack.artifacts.blobs import CHUNK
from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.golang import GoBuilder
from mlstack.artifacts.gorun import Progress
from mlstack.artifacts.parts import member
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.ports import Cancelled, Shell
from mlstack.core.recipe import GoProgram, fingerprint
from mlstack.core.toolrecipe import Tool


class Tools:
    """Host programs by name. directory: where executables are kept; rank: their place in the queue of compiles."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        store: Store,
        shell: Shell,
        go: GoBuilder,
        wheels: Wheels,
        directory: Path,
        architecture: str,
    ) -> None:
        self._tools = tools
        self._store = store
        self._shell = shell
        self._go = go
        self._wheels = wheels
        self._directory = directory
        self._architecture = architecture

    def cached(self, name: str) -> Path | None:
        """The program's path if it needs no work. Raises tool.unknown."""
        tool = self._tool(name)
        found = self._found(tool)
        if found:
            return found
        entry = self._store.peek(self._key(tool))
        return self._placed(tool, entry) if entry else None

    def path(self, name: str, progress: Progress, cancelled: Cancelled) -> Path:
        """The program's path. Raises tool.unknown, tool.no-source, go.*, wheel.*, disk.*."""
        ready = self.cached(name)
        if ready:
            return ready
        tool = self._tool(name)
        key = self._key(tool)
        with self._store.lock(f"tool-{key}", cancelled):
            entry = self._store.get(key) or self._make(tool, key, progress, cancelled)
            return self._placed(tool, entry)

    def keys(self) -> set[str]:
        """Store keys of all tools."""
        return {self._key(tool) for tool in self._tools.values()}

    def _tool(self, name: str) -> Tool:
        if name not in self._tools:
            raise MlstackError(
                "tool.unknown",
                f"No recipe makes a tool '{name}'",
                why=did_you_mean(name, list(self._tools)),
                remedy="add it to the node recipe's tools",
                exit_code=ExitCode.USAGE,
            )
        return self._tools[name]

    def _key(self, tool: Tool) -> str:
        lock = self._go.lock_of(tool.go).digest if tool.go else ""
        return fingerprint("tool", self._architecture, tool.name, tool.go, tool.wheel, lock)

    def _found(self, tool: Tool) -> Path | None:
        """The host's own program if its version fits."""
        from packaging.specifiers import SpecifierSet

        program = self._shell.which(tool.found) if tool.found else None
        if program is None:
            return None
        if not tool.version:
            return program
        result = self._shell.run([str(program), *tool.version_args], timeout=20)
        match = re.search(r"\d+(?:\.\d+)+", result.output + result.errors)
        if result.code or not match:
            return None
        return program if SpecifierSet(tool.version).contains(match[0], prereleases=True) else None

    def _make(self, tool: Tool, key: str, progress: Progress, cancelled: Cancelled) -> Entry:
        if tool.go:
            binary = self._go.obtain(_named(tool.go, tool.name), 0, progress, cancelled)[tool.name]
            entry = Entry(key, "tool", binary.digest, {binary.digest: binary.size}, {"name": tool.name})
        elif tool.wheel:
            wheel = tool.wheel
            path = self._wheels.fetch(wheel.name, wheel.version, wheel.sha256, self._architecture, cancelled)
            with open_zip(path) as reader, self._store.new_blob() as writer:
                for data in reader.chunks(member(reader.names(), next(iter(wheel.files)), wheel)):
                    writer.write(data)
            entry = Entry(key, "tool", writer.digest, {writer.digest: writer.size}, {"name": tool.name})
        else:
            raise MlstackError(
                "tool.no-source",
                f"{tool.name} is not on this host in a version that fits ({tool.version or 'any'})",
                remedy=f"install {tool.name}, or add a recipe for it",
            )
        self._store.put(entry)
        return entry

    def _placed(self, tool: Tool, entry: Entry) -> Path:
        """The executable beside the store, written anew unless it is what the store holds."""
        path = self._directory / entry.key[:16] / tool.name
        with guard(path):
            if path.is_file() and _digest(path) == entry.digest:
                return path
            part = temporary_name(make_directory(path.parent))
            try:
                with part.open("xb") as target, self._store.blob(entry.digest).open("rb") as source:
                    while data := source.read(CHUNK):
                        target.write(data)
                part.chmod(0o755)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        return path


def _named(program: GoProgram, name: str) -> GoProgram:
    if name not in program.packages:
        raise MlstackError(
            "tool.no-source", f"The recipe of tool '{name}' builds no program of that name", remedy="correct it"
        )
    return program


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
