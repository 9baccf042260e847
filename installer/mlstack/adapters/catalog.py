"""Reads the shipped data (stacks, addons, releases, bases, nodes) from a directory. Every problem names file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from mlstack.adapters.packages import packages_digest
from mlstack.core import yamldoc
from mlstack.core.catalogue import Entry
from mlstack.core.documentmodel import Strict
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.recipe import CONTENT, Image, fingerprint
from mlstack.core.releasefile import BaseImage, Node, Release
from mlstack.core.resolve import unknown
from mlstack.core.sample import extended
from mlstack.core.samplefile import Sample
from mlstack.core.stackfile import Patch, Stack
from mlstack.core.versions import numbers

_NOT_STACKS = frozenset({"bases", "locks", "nodes", "releases", "skeleton"})
M = TypeVar("M", bound=Strict)


class DataCatalogue:
    """The catalogue under a data root (``Paths.data``). Entries are read when asked for, once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entry = cache(self._entry)
        self.release = cache(self._release)

    def names(self) -> Sequence[str]:
        """Every stack and addon, sorted."""
        return sorted(self._directories)

    def versions(self, name: str) -> Sequence[str]:
        """Versions of a stack or addon, oldest first; empty when it is unknown."""
        found = self._directories.get(name)
        if found is None:
            return []
        names = [path.name for path in found.iterdir() if (path / "stack.yaml").is_file()]
        return sorted(names, key=lambda version: (numbers(version), version))

    def directory(self, name: str, version: str) -> Path:
        """The directory of one entry, for recipes that name files beside the stack file."""
        return self._directories[name] / version

    def releases(self) -> Sequence[str]:
        """Names of the releases, oldest first."""
        return sorted((path.stem for path in (self.root / "stacks" / "releases").glob("*.yaml")), key=numbers)

    @cached_property
    def bases(self) -> Mapping[str, BaseImage]:
        """Every shared base recipe by name."""
        found = [self._document(BaseImage, path) for path in sorted((self.root / "stacks" / "bases").glob("*.yaml"))]
        return {base.metadata.name: base for base in found}

    def nodes(self) -> Sequence[str]:
        """Names of the node recipes."""
        return sorted(path.parent.name for path in (self.root / "stacks" / "nodes").glob("*/node.yaml"))

    def node(self, name: str) -> Node:
        """One node recipe; raises ``config.unknown-node`` or Problems."""
        if name not in self.nodes():
            raise unknown("node", name, self.nodes())
        return self._document(Node, self.root / "stacks" / "nodes" / name / "node.yaml")

    def _release(self, name: str) -> Release:
        if name not in self.releases():
            raise unknown("release", name, self.releases())
        return self._document(Release, self.root / "stacks" / "releases" / f"{name}.yaml")

    def _entry(self, name: str, version: str) -> Entry:
        if version not in self.versions(name):
            raise unknown("stack", f"{name} {version}", [f"{name} {known}" for known in self.versions(name)])
        directory = self.directory(name, version)
        path = directory / "stack.yaml"
        document = self._document(Stack, path)
        for field, said, meant in (
            ("name", document.metadata.name, name),
            ("version", document.metadata.version, version),
        ):
            if said != meant:
                raise self._mismatch(path, field, said, meant)
        spec = document.spec
        texts = {
            f"{below}/{file.relative_to(directory / below).as_posix()}": file.read_text()
            for below in sorted({part.templates.rstrip("/") for part in spec.manifests if part.templates})
            for file in sorted((directory / below).rglob("*.yaml.j2"))
        }
        contents = self._contents(document)
        return Entry(
            document=_filled(document, contents),
            directory=self._shown(directory),
            templates=texts,
            patches=tuple(self._patches(directory / spec.patches)) if spec.patches else (),
            samples=self._samples(directory / spec.samples, contents) if spec.samples else (),
        )

    def _samples(self, directory: Path, contents: Mapping[str, str]) -> tuple[Sample, ...]:
        files = sorted(directory.glob("*.yaml"))
        try:
            samples = extended([self._document(Sample, file) for file in files])
        except ValueError as error:
            raise MlstackError(
                "document.invalid", f"{self._shown(directory)}: {error}", remedy="Correct the sample."
            ) from error
        return tuple(_named(sample, contents) for sample in samples)

    def _contents(self, document: Stack) -> dict[str, str]:
        """What stands for ``{content}`` in each reference that has it: a hash of own packages, locks and recipe."""
        return {image.ref: self._content(image) for image in document.spec.images if CONTENT in image.ref}

    def _content(self, image: Image) -> str:
        build = image.build
        own = packages_digest(build.packages.names) if build and build.packages else ""
        lock = (
            self._text(self.root / "stacks/locks/python" / f"{build.python.lock}.txt") if build and build.python else ""
        )
        npm = [
            self._text(self.root / "stacks/locks/npm" / one.lock / "package-lock.json")
            for compiled in (build.compiled if build else ())
            for one in compiled.npm
        ]
        base = build.base if build and build.base != "scratch" else ""
        below = self._text(self.root / "stacks/bases" / f"{base}.yaml") if base else ""
        return fingerprint("content", own, lock, build, below, *npm)[:12]

    @cached_property
    def _directories(self) -> Mapping[str, Path]:
        """Stack or addon name -> its directory."""
        parents = [self.root / "stacks", self.root / "addons"]
        return {
            path.name: path
            for parent in parents
            if parent.is_dir()
            for path in parent.iterdir()
            if path.is_dir() and path.name not in _NOT_STACKS and any(path.glob("*/stack.yaml"))
        }

    def _document(self, model: type[M], path: Path) -> M:
        """A validated document: parsed fast, and read again with positions only when something is wrong."""
        text, file = self._text(path), self._shown(path)
        try:
            documents = yamldoc.load_objects(text, file)
            if len(documents) == 1:
                return model.model_validate(documents[0])
        except (MlstackError, ValidationError):
            pass  # the slow reading below finds the same problems, with their lines
        return yamldoc.validate(model, yamldoc.examine(text, file))

    def _patches(self, path: Path) -> list[Patch]:
        text, file = self._text(path), self._shown(path)
        try:
            documents = yamldoc.load_objects(text, file)
            return [Patch.model_validate(item) for item in (documents[0] if documents else [])]
        except (MlstackError, ValidationError, TypeError):
            return yamldoc.validate_items(Patch, yamldoc.examine(text, file))

    def _text(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MlstackError(
                "catalogue.unreadable",
                f"cannot read {self._shown(path)}",
                why=str(error),
                remedy="reinstall mlstack or correct the reference to this file",
                exit_code=ExitCode.USAGE,
            ) from None

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _mismatch(self, path: Path, field: str, said: str, meant: str) -> MlstackError:
        place = yamldoc.examine(path.read_text(), self._shown(path)).place_of(("metadata", field))
        what = f"metadata.{field} is '{said}', but the directory says '{meant}'"
        return MlstackError("stack.misplaced", what, remedy="rename one of them", place=place, exit_code=ExitCode.USAGE)


class FileCache:
    """Text by key in a directory, for parsed upstream objects. A file that is cut or not ours reads as missing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, key: str) -> str | None:
        """The text kept under the key; None when there is none or its checksum does not fit."""
        import hashlib

        try:
            check, _, text = (self._directory / key).read_text(encoding="utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return text if hashlib.sha256(text.encode()).hexdigest() == check else None

    def put(self, key: str, text: str) -> None:
        """Keeps a text; a full or read-only disk only costs the next reader time."""
        import hashlib
        import os

        path = self._directory / key
        temporary = path.with_name(f".{key}.{os.getpid()}")
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.touch(mode=0o600)
            temporary.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="utf-8")
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _filled(document: Stack, contents: Mapping[str, str]) -> Stack:
    """The stack with ``{content}`` in references of images filled in."""
    images = [image.filled(contents[image.ref]) if image.ref in contents else image for image in document.spec.images]
    return document.model_copy(update={"spec": document.spec.model_copy(update={"images": images})})


def _named(sample: Sample, contents: Mapping[str, str]) -> Sample:
    """The sample with the same in the references it names."""
    refs = [ref.replace(CONTENT, contents.get(ref, CONTENT)) for ref in sample.spec.image_refs]
    return sample.model_copy(update={"spec": sample.spec.model_copy(update={"image_refs": refs})})
