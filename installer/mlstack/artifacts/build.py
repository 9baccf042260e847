"""Builds an image from its recipe: layers from bottom to top, then configuration and manifest. Cached by recipe hash."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import ValidationError

from mlstack.adapters.packages import packages_digest
from mlstack.artifacts.context import ImageContext, beside, named_source, root_inputs
from mlstack.artifacts.disk import guard
from mlstack.artifacts.gorun import Progress
from mlstack.artifacts.layers import Stack
from mlstack.artifacts.oci import StoredImage, write_image
from mlstack.artifacts.parts import LayerParts, Makers
from mlstack.artifacts.store import Entry
from mlstack.core.errors import MlstackError, Place, did_you_mean
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import Build, GoProgram, fingerprint
from mlstack.core.releasefile import BaseImage

Preloaded = Callable[[str, Progress, Cancelled], StoredImage]
"""Obtains an image that another image holds as an archive."""


class Bases:
    """Shared base recipes, ``<name>.yaml`` of one directory, read once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: dict[str, Build] = {}

    def get(self, name: str) -> Build:
        """A base recipe. Raises artifact.no-base, artifact.bad-recipe."""
        if name not in self._read:
            path = self.directory / f"{name}.yaml"
            if not path.is_file():
                known = sorted(each.stem for each in self.directory.glob("*.yaml"))
                raise MlstackError(
                    "artifact.no-base",
                    f"There is no base image '{name}'",
                    why=did_you_mean(name, known),
                    remedy="correct the recipe",
                )
            try:
                with guard(path):
                    self._read[name] = BaseImage.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).spec
            except (ValidationError, yaml.YAMLError) as error:
                raise MlstackError(
                    "artifact.bad-recipe",
                    f"The base image '{name}' cannot be read",
                    why=str(error),
                    remedy="correct the file",
                    place=Place(file=str(path)),
                ) from error
        return self._read[name]


class ImageBuilder:
    """Carries out ``Build`` recipes. contexts: every image by ref, for those that other images hold."""

    def __init__(
        self, makers: Makers, bases: Bases, contexts: Mapping[str, ImageContext], preloaded: Preloaded
    ) -> None:
        self._make = makers
        self._bases = bases
        self._contexts = contexts
        self._preloaded = preloaded

    def key(self, context: ImageContext) -> str:
        """The image's store key: hash of everything its content depends on, as far as it is pinned. Raises go.no-lock and kin."""
        build = _recipe(context)
        held = [[ref, self._identity(self._contexts[ref])] for ref in context.preload]
        inputs = self._inputs(build, context)
        return fingerprint("image", self._make.architecture, build, inputs, held, context.preload_to)

    def build(self, context: ImageContext, progress: Progress, cancelled: Cancelled) -> Entry:
        """Builds the image, records and returns its entry. Programs compile while other layers are made.

        Raises go.*, debian.*, python.*, wheel.*, source.*, artifact.*, disk.*, run.interrupted.
        """
        start = time.monotonic()
        stack = Stack()
        with self._compiling_ahead(context, progress, cancelled):
            build = self._stack(_recipe(context), context, stack, progress, cancelled)
        progress("writing the image", 0, 0, "")
        digest, blobs = write_image(self._make.store, build, stack.layers, self._make.architecture)
        seconds = round(time.monotonic() - start, 3)
        data = {"ref": context.image.ref, "source": "build", "layers_seconds": round(stack.seconds, 3)}
        entry = Entry(self.key(context), "image", digest, blobs, data, seconds)
        self._make.store.put(entry)
        return entry

    def _identity(self, context: ImageContext) -> str:
        return self.key(context) if context.image.build else fingerprint(context.image)

    def _programs(self, context: ImageContext) -> list[GoProgram]:
        """Every Go program of an image and of those it holds, its own first."""
        build = context.image.build
        own = [*build.go, *(self._bases.get(build.base).go if build.base != "scratch" else [])] if build else []
        return own + [program for ref in context.preload for program in self._programs(self._contexts[ref])]

    def _makes_root(self, context: ImageContext) -> bool:
        """True when a Debian root at the bottom of the image is not in the store."""
        build = context.image.build
        while build and build.base != "scratch":
            build, context = self._bases.get(build.base), self._base_context(context)
        if build is None or build.debian is None:
            return False
        return (
            self._make.store.peek(self._make.layers.key(Stack(), "debian", root_inputs(build.debian, context))) is None
        )

    @contextmanager
    def _compiling_ahead(self, context: ImageContext, progress: Progress, cancelled: Cancelled) -> Iterator[None]:
        """Compiles in the background while a Debian root is made; the layers then find the programs in the store.

        A failed compile shows where the block asks for the program; leaving the block early stops the compile.
        """
        if not self._makes_root(context):
            yield
            return
        done = threading.Event()
        pool = ThreadPoolExecutor(2, thread_name_prefix="compile")

        def stop() -> bool:
            return done.is_set() or cancelled()

        for program in self._programs(context):
            pool.submit(self._make.go.obtain, program, context.rank, progress, stop)
        try:
            yield
        finally:
            done.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _inputs(self, build: Build, context: ImageContext) -> list[object]:
        """Hashes of what the recipe only names: locks, bases, files beside the stack, sources."""
        found: list[object] = [self._make.go.lock_of(program).digest for program in build.go]
        if build.python:
            found.append(self._make.python.lock_digest(build.python))
        for compiled in build.compiled:
            found += [root_inputs(compiled.root, context), self._make.compiler.inputs(compiled)]
        if build.packages:
            found.append(packages_digest(build.packages.names))
        if build.debian and build.debian.archives:
            found += root_inputs(build.debian, context)
        if build.base != "scratch":
            base = self._bases.get(build.base)
            found += [base, self._inputs(base, self._base_context(context))]
        for file in build.files:
            if file.file:
                found.append([file.file, hashlib.sha256(beside(context, file.file)).hexdigest()])
            if file.source:
                source, path = named_source(context, file.source)
                found.append([path, source.h1 or source.sha256])
        return found

    def _base_context(self, context: ImageContext) -> ImageContext:
        return replace(context, directory=self._bases.directory, sources={}, preload=())

    def _stack(
        self, build: Build, context: ImageContext, stack: Stack, progress: Progress, cancelled: Cancelled
    ) -> Build:
        """Puts all layers of a recipe on ``stack``; returns it with the environment and user of its bases."""
        if build.base != "scratch":
            base = self._stack(self._bases.get(build.base), self._base_context(context), stack, progress, cancelled)
            build = build.model_copy(update={"env": base.env | build.env, "user": build.user or base.user})
        parts = LayerParts(self._make, context, stack, progress, cancelled)
        if build.debian:
            parts.debian(build.debian)
        for debs in build.debs:
            parts.debs(debs)
        for wheel in build.wheels:
            parts.wheel(wheel)
        if build.python:
            parts.python(build.python)
        parts.compiled(build.compiled)
        if build.packages:
            parts.packages(build.packages)
        for program in build.go:
            parts.go(program)
        if context.preload:
            parts.preload([self._preloaded(ref, progress, cancelled) for ref in context.preload])
        if build.files:
            parts.files(build.files)
        return build


def _recipe(context: ImageContext) -> Build:
    if context.image.build is None:
        raise MlstackError(
            "image.no-recipe",
            f"{context.image.ref} has no build recipe",
            remedy="use a registry or bundle source, or write a recipe",
        )
    return context.image.build
