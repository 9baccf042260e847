"""One maker for each kind of layer a recipe can have: Debian roots, files of packages, Python, compiled and Go, own code, files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlstack.adapters.packages import package_files
from mlstack.artifacts.compiled import Compiler
from mlstack.artifacts.context import ImageContext, beside, named_source, root_inputs, source_of
from mlstack.artifacts.debian import Debian
from mlstack.artifacts.disk import guard
from mlstack.artifacts.golang import GoBuilder
from mlstack.artifacts.gorun import Progress
from mlstack.artifacts.layers import LayerCache, Stack
from mlstack.artifacts.oci import StoredImage, archive_as_entry, archive_digest
from mlstack.artifacts.pythonpkgs import PythonInstaller
from mlstack.artifacts.sources import Sources
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.wheels import Wheels
from mlstack.artifacts.wording import lines_to
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import (
    Archive,
    Compiled,
    DebFiles,
    DebianRoot,
    GoProgram,
    ImageFile,
    OwnPackages,
    PythonPackages,
    WheelFiles,
)
from mlstack.core.stackfile import Source


@dataclass(frozen=True, slots=True)
class Makers:
    """What layers are made by."""

    store: Store
    layers: LayerCache
    go: GoBuilder
    debian: Debian
    python: PythonInstaller
    wheels: Wheels
    sources: Sources
    compiler: Compiler
    architecture: str


class LayerParts:
    """Adds the layers of one image, one after the other, to a stack of layers."""

    def __init__(
        self, makers: Makers, context: ImageContext, stack: Stack, progress: Progress, cancelled: Cancelled
    ) -> None:
        self._make = makers
        self._context = context
        self._stack = stack
        self._progress = progress
        self._cancelled = cancelled

    def debian(self, root: DebianRoot) -> None:
        """A root file system; only at the bottom. Raises artifact.bad-recipe, debian.*."""
        if self._stack.layers:
            raise MlstackError(
                "artifact.bad-recipe", "A Debian root cannot lie over another base", remedy="correct the recipe"
            )
        line = lines_to(self._progress, "making the Debian root")

        @contextmanager
        def entries() -> Iterator[list[LayerEntry]]:
            with self._make.debian.root(root, line, self._cancelled, self._zips(root)) as made:
                yield made

        self._add("debian", root_inputs(root, self._context), entries)

    def compiled(self, recipes: Sequence[Compiled]) -> None:
        """Files made in roots that are thrown away. Raises artifact.bad-recipe, debian.*, npm.*, wheel.*."""
        line, compiler = lines_to(self._progress, "compiling in a Debian root"), self._make.compiler
        for one in recipes:
            parts = [one, root_inputs(one.root, self._context), compiler.inputs(one)]
            made = partial(compiler.made, one, partial(self._zips, one.root), line, self._cancelled)
            self._add("compiled", parts, made)

    def _zips(self, root: DebianRoot) -> list[tuple[Archive, Path]]:
        return [(one, self._zip(source_of(self._context, one.source))) for one in root.archives]

    def _zip(self, source: Source) -> Path:
        """A source's verified archive, fetched with progress."""
        name = source.go or source.url.rpartition("/")[2]
        return self._make.sources.path(
            source, self._cancelled, lambda done, total: self._progress(f"fetching {name}", done, total, "bytes")
        )

    def debs(self, debs: DebFiles) -> None:
        """Files out of one Debian package. Raises debian.*."""
        line = lines_to(self._progress, f"fetching {debs.package}")
        self._add("deb", [debs], lambda: self._make.debian.files(debs, line, self._cancelled))

    def wheel(self, wheel: WheelFiles) -> None:
        """Files out of one wheel. Raises wheel.*."""

        @contextmanager
        def entries() -> Iterator[list[LayerEntry]]:
            self._progress(f"fetching {wheel.name} {wheel.version}", 0, 0, "")
            architecture = self._make.architecture
            path = self._make.wheels.fetch(wheel.name, wheel.version, wheel.sha256, architecture, self._cancelled)
            with open_zip(path) as reader:
                yield [
                    LayerEntry(
                        to, mode=int(wheel.mode, 8), content=tuple(reader.chunks(member(reader.names(), name, wheel)))
                    )
                    for name, to in sorted(wheel.files.items())
                ]

        self._add("wheel", [wheel], entries)

    def python(self, recipe: PythonPackages) -> None:
        """Python packages of a lock. Raises python.*, wheel.*."""
        line = lines_to(self._progress, f"installing Python packages of '{recipe.lock}'")
        parts = [recipe, self._make.python.lock_digest(recipe)]
        self._add("python", parts, lambda: self._make.python.installed(recipe, line, self._cancelled))

    def packages(self, recipe: OwnPackages) -> None:
        """Python packages of this program. Raises artifact.no-package, disk.*."""
        entries = [
            LayerEntry(f"{recipe.to.strip('/')}/{name}", mode=0o644, content=(_read(path),))
            for name, path in package_files(recipe.names).items()
        ]

        @contextmanager
        def ready() -> Iterator[list[LayerEntry]]:
            yield entries

        self._add("packages", [[each.path, _digest(each)] for each in entries], ready)

    def go(self, program: GoProgram) -> None:
        """Go programs of a lock. Raises go.*."""
        go = self._make.go

        @contextmanager
        def entries() -> Iterator[list[LayerEntry]]:
            binaries = go.obtain(program, self._context.rank, self._progress, self._cancelled)
            to = program.to.strip("/")
            yield [
                LayerEntry(f"{to}/{name}", mode=0o755, content=(self._make.store.blob(binary.digest),))
                for name, binary in sorted(binaries.items())
            ]

        self._add("go", [go.group_key(program), program.packages, program.variables, program.to], entries)

    def preload(self, images: Sequence[StoredImage]) -> None:
        """One archive with other images, for a node's runtime to import; not compressed again."""

        @contextmanager
        def entries() -> Iterator[list[LayerEntry]]:
            self._progress(f"packing {len(images)} images", 0, 0, "")
            yield [archive_as_entry(self._make.store, images, f"{self._context.preload_to}/images.tar")]

        self._add("preload", [archive_digest(images), self._context.preload_to], entries, compress=False)

    def files(self, files: Sequence[ImageFile]) -> None:
        """The recipe's own files, links and directories. Raises artifact.bad-recipe, source.*, disk.*."""
        entries = [entry for file in files for entry in self._entries(file)]

        @contextmanager
        def ready() -> Iterator[list[LayerEntry]]:
            yield entries

        parts = [[each.path, each.kind, each.mode, each.uid, each.gid, each.target, _digest(each)] for each in entries]
        self._add("files", parts, ready)

    def _add(
        self,
        kind: str,
        parts: Sequence[object],
        entries: Callable[[], AbstractContextManager[Sequence[LayerEntry]]],
        *,
        compress: bool = True,
    ) -> None:
        self._make.layers.add(self._stack, kind, parts, entries, self._cancelled, compress=compress)

    def _entries(self, file: ImageFile) -> list[LayerEntry]:
        """A recipe's entry; many where its source is a directory (``NAME:PATH/**``)."""
        if not (file.source or "").endswith("/**"):
            return [self._file(file)]
        source, pattern = named_source(self._context, file.source or "")
        found = self._make.sources.read(source, [pattern], self._cancelled)
        top = pattern.removesuffix("**")
        mode, owner = int(file.mode, 8), (file.user, file.group)
        return [
            LayerEntry(f"{file.path}/{name.removeprefix(top)}", "file", mode, *owner, (data,))
            for name, data in found.items()
        ]

    def _file(self, file: ImageFile) -> LayerEntry:
        mode, owner = int(file.mode, 8), (file.user, file.group)
        if file.directory:
            return LayerEntry(file.path, "dir", mode if file.mode != "644" else 0o755, *owner)
        if file.link is not None:
            return LayerEntry(file.path, "link", 0o777, *owner, target=file.link)
        if file.content is not None:
            data = file.content.encode()
        elif file.file:
            data = beside(self._context, file.file)
        else:
            source, path = named_source(self._context, file.source or "")
            data = next(iter(self._make.sources.read(source, [path], self._cancelled).values()))
        return LayerEntry(file.path, "file", mode, *owner, (data,))


def member(names: Sequence[str], name: str, wheel: WheelFiles) -> str:
    """A member of a wheel. Raises wheel.no-file."""
    if name not in names:
        raise MlstackError(
            "wheel.no-file",
            f"{wheel.name} {wheel.version} has no file '{name}'",
            why=did_you_mean(name, names) if len(names) < 2000 else "",
            remedy="correct the recipe",
        )
    return name


def _read(path: Path) -> bytes:
    with guard(path):
        return path.read_bytes()


def _digest(entry: LayerEntry) -> str:
    total = hashlib.sha256()
    for part in entry.content:
        if isinstance(part, bytes):
            total.update(part)
    return total.hexdigest()
