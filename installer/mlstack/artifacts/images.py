"""The ``Images`` port: where each image comes from (store, registry, bundle, build), why, and bringing it into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlstack.artifacts.build import ImageBuilder
from mlstack.artifacts.bundle import Bundles
from mlstack.artifacts.context import ImageContext
from mlstack.artifacts.gorun import Progress
from mlstack.artifacts.oci import StoredImage, exported
from mlstack.artifacts.registry import Registry
from mlstack.artifacts.settings import ArtifactSettings
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.tools import Tools
from mlstack.artifacts.wording import because, unobtainable
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.events import Emit, Message, StepProgress
from mlstack.core.model import ImageRecord, ImageSource
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import fingerprint

_FATAL = ("run.interrupted", "disk.", "download.hash-mismatch")
"""Errors after which another source is not tried: the user stopped, the disk is full, somebody sent wrong content."""


class ImageBackends:
    """All backends behind one port. contexts: every image of the catalogue by ref; emit: takes warnings outside of steps."""

    def __init__(
        self,
        contexts: Mapping[str, ImageContext],
        store: Store,
        registry: Registry,
        bundles: Bundles,
        builder: Callable[[Callable[[str, Progress, Cancelled], StoredImage]], ImageBuilder],
        tools: Tools,
        settings: ArtifactSettings,
        architecture: str,
    ) -> None:
        self._contexts = contexts
        self.store = store
        self._registry = registry
        self._bundles = bundles
        self._builder = builder(self._preloaded)
        self._tools = tools
        self._settings = settings
        self._architecture = architecture

    def source_of(self, ref: str) -> tuple[ImageSource, str]:
        """Where ``ref`` would come from now and why, for ``plan``; asks each registry host at most once a run."""
        record = self.cached(ref)
        if record:
            return record.source, f"in the store ({record.source})"
        wanted = self._wanted(ref)
        source, obstacles = self._first(ref)
        return source or wanted, "; ".join([*obstacles, *([because(source, wanted)] if source else [])])

    def lacking(self, ref: str) -> str:
        """Why nothing in force has an image that is not in the store, as far as can be told cheaply; empty where something has."""
        source, obstacles = (None, []) if self.cached(ref) else self._first(ref)
        return "" if source else "; ".join(obstacles)

    def cached(self, ref: str) -> ImageRecord | None:
        """The image if the store has it (sizes checked, content verified when it is used)."""
        for key in self._keys(self._context(ref)):
            entry = self.store.peek(key)
            if entry:
                return _record(ref, entry)
        return None

    def obtain(self, ref: str, emit: Emit, step: str, cancelled: Cancelled) -> ImageRecord:
        """The image in the store, verified; brought there from the first source that works.

        Raises the backend's own error when there was one source, image.unobtainable naming each one tried otherwise.
        """

        def progress(message: str, done: float, total: float, unit: str) -> None:
            emit(StepProgress(step=step, message=message, done=done, total=total, unit=unit))

        def warn(text: str) -> None:
            emit(Message(text=text, level="warning", step=step))

        return _record(ref, self._obtain(self._context(ref), progress, warn, cancelled))

    @contextmanager
    def export(self, ref: str, name: str = "") -> Iterator[Path]:
        """A temporary archive that ``docker load`` and ``ctr images import`` take. name: what the image is called in it.

        An image that is not in the store, or damaged there, is obtained first.
        """
        entry = self._obtain(self._context(ref), lambda *_: None, self.store.warn, lambda: False)
        with exported(self.store, [StoredImage(name or ref, entry.digest)]) as path:
            yield path

    def tool(self, name: str, emit: Emit, step: str, cancelled: Cancelled) -> Path:
        """A host program's path: found in PATH with a fitting version, else built or taken from its wheel."""

        def progress(message: str, done: float, total: float, unit: str) -> None:
            emit(StepProgress(step=step, message=message, done=done, total=total, unit=unit))

        return self._tools.path(name, progress, cancelled)

    def cached_tool(self, name: str) -> Path | None:
        """The tool's path if it needs no work."""
        return self._tools.cached(name)

    def resolve_digests(self, ref: str) -> dict[str, str]:
        """Architecture -> manifest digest as the registry has it now, for ``mlstack dev lock``. Raises registry.*."""
        return self._registry.resolve(ref)

    def estimate(self, ref: str) -> float:
        """Seconds that making the image took when it was last made here; 0 unknown."""
        entry = next((found for key in self._keys(self._context(ref)) if (found := self.store.peek(key))), None)
        return entry.seconds if entry else 0.0

    def keys(self) -> set[str]:
        """Store keys of every image of the catalogue, for ``prune``."""
        return {key for context in self._contexts.values() for key in self._keys(context)} | self._tools.keys()

    def _context(self, ref: str) -> ImageContext:
        context = self._contexts.get(ref)
        if context is None:
            raise MlstackError(
                "image.unknown",
                f"No stack has an image '{ref}'",
                why=did_you_mean(ref, list(self._contexts)) if len(self._contexts) < 200 else "",
                remedy="add it to the stack's images",
                exit_code=ExitCode.USAGE,
            )
        return context

    def _keys(self, context: ImageContext) -> list[str]:
        """Store keys under which the image may be: by its pinned digest, by its name in a bundle, by its recipe."""
        wanted = self._wanted(context.image.ref)
        keys = []
        digest = context.image.digests.get(self._architecture)
        if digest and wanted in (ImageSource.AUTO, ImageSource.REGISTRY, ImageSource.BUNDLE):
            keys.append(_pinned_key(digest))
        if _by_tag(context) and wanted in (ImageSource.AUTO, ImageSource.REGISTRY):
            keys.append(self._tagged_key(context.image.ref))
        if wanted in (ImageSource.AUTO, ImageSource.BUNDLE):
            keys += [key for key in [self._bundles.key(context.image.ref)] if key]
        if context.image.build and wanted in (ImageSource.AUTO, ImageSource.BUILD):
            keys.append(self._builder.key(context))
        return keys

    def _wanted(self, ref: str) -> ImageSource:
        return self._settings.per_image.get(ref, self._settings.source)

    def _first(self, ref: str) -> tuple[ImageSource | None, list[str]]:
        """The first source that nothing speaks against, and what speaks against those before it."""
        context = self._context(ref)
        obstacles: list[str] = []
        for source in self._order(self._wanted(ref)):
            obstacle = self._obstacle(context, source)
            if not obstacle:
                return source, obstacles
            obstacles.append(f"no {source}: {obstacle}")
        return None, obstacles

    def _order(self, wanted: ImageSource) -> list[ImageSource]:
        if wanted is ImageSource.AUTO:
            return [ImageSource.REGISTRY, ImageSource.BUNDLE, ImageSource.BUILD]
        return [wanted]

    def _obstacle(self, context: ImageContext, source: ImageSource) -> str:
        """Why a source is of no use for an image, as far as can be told cheaply; empty when nothing speaks against it."""
        if source is ImageSource.REGISTRY:
            if self._architecture not in context.image.digests and not _by_tag(context):
                return f"no digest is pinned for {self._architecture}"
            places, silent = self._registry.reachable(context.image.ref)
            return "" if places else silent
        if source is ImageSource.BUNDLE:
            return "" if self._bundles.key(context.image.ref) else self._bundles.why_not()
        return "" if context.image.build else "it has no recipe"

    def _obtain(
        self, context: ImageContext, progress: Progress, warn: Callable[[str], None], cancelled: Cancelled
    ) -> Entry:
        for key in self._keys(context):
            entry = self.store.get(key)
            if entry:
                return entry
        wanted = self._wanted(context.image.ref)
        failures: list[tuple[ImageSource, MlstackError]] = []
        for source in self._order(wanted):
            obstacle = self._obstacle(context, source)
            if obstacle:
                failures.append((source, MlstackError("image.no-source", obstacle)))
                continue
            try:
                return self._from(source, context, progress, cancelled)
            except MlstackError as error:
                if wanted is not ImageSource.AUTO or error.code.startswith(_FATAL):
                    raise
                failures.append((source, error))
                warn(f"{context.image.ref}: {source} failed ({error.why.splitlines()[0] if error.why else error.what})")
        raise unobtainable(context.image.ref, failures)

    def _from(self, source: ImageSource, context: ImageContext, progress: Progress, cancelled: Cancelled) -> Entry:
        ref = context.image.ref
        if source is ImageSource.BUILD:
            key = self._builder.key(context)
            with self.store.lock(f"image-{key}", cancelled):
                return self.store.get(key) or self._builder.build(context, progress, cancelled)
        if source is ImageSource.BUNDLE:
            return self._bundles.take(ref, progress, cancelled)
        digest = context.image.digests.get(self._architecture, "")
        key = self._tagged_key(ref) if _by_tag(context) else _pinned_key(digest)
        with self.store.lock(f"image-{key}", cancelled):
            found = self.store.get(key)
            return found or self._registry.pull(ref, digest or self._registry.tagged(ref), key, progress, cancelled)

    def _tagged_key(self, ref: str) -> str:
        return fingerprint("tagged", ref, self._architecture)

    def _preloaded(self, ref: str, progress: Progress, cancelled: Cancelled) -> StoredImage:
        entry = self._obtain(self._context(ref), progress, self.store.warn, cancelled)
        return StoredImage(ref, entry.digest)


def _by_tag(context: ImageContext) -> bool:
    """Whether an image is what its tag says where it is published: it has no recipe, and nobody has pinned it."""
    return not context.image.build and not context.image.digests


def _pinned_key(digest: str) -> str:
    return fingerprint("pinned", digest)


def _record(ref: str, entry: Entry) -> ImageRecord:
    source = ImageSource(str(entry.data.get("source", "build")))
    return ImageRecord(ref, entry.digest, entry.size, source, entry.key if source is ImageSource.BUILD else "")
