"""Frees disk: entries that no recipe of this version names, blobs that no entry needs, and caches that builds can do without."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from mlstack.artifacts.disk import guard, owner_is_gone
from mlstack.artifacts.store import Store
from mlstack.artifacts.trees import clean_work, remove_tree, tree_size
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths

YOUNG = 3600.0
"""Seconds during which a blob without an entry is left alone: a build beside us may be about to record it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on disk by part. store: blobs of all images and tools; the rest can be had again at the price of time."""

    store: int
    go_build: int
    go_modules: int
    downloads: int
    toolchains: int
    other: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.store + self.go_build + self.go_modules + self.downloads + self.toolchains + self.other


def usage(paths: Paths) -> Usage:
    """What the caches take on disk (allocated bytes; hard links counted once)."""
    known = {
        "store": paths.store,
        "go_build": paths.go / "build",
        "go_modules": paths.go / "mod",
        "downloads": paths.downloads,
        "toolchains": paths.cache / "toolchains",
    }
    sizes = {name: tree_size(path) for name, path in known.items()}
    return Usage(**sizes, other=max(0, tree_size(paths.cache) - sum(sizes.values())))


def prune(store: Store, keep: Iterable[str], young: float = YOUNG) -> int:
    """Removes images and tools whose keys are not in ``keep``, then all that nothing needs any more; returns bytes freed.

    Layers and programs stay as long as an image that is kept holds their blob; temporary files of dead processes go.
    """
    wanted = set(keep)
    entries = store.entries()
    kept = [entry for entry in entries if entry.key in wanted]
    needed = {digest for entry in kept for digest in entry.blobs}
    for entry in entries:
        if entry.key in wanted:
            continue
        if entry.kind == "layer" and entry.digest in needed:
            needed |= set(entry.blobs)
        else:
            store.forget(entry.key)
    return _sweep(store, needed, young) + _clean_temporary(store)


def trim(paths: Paths, store: Store, young: float = YOUNG) -> int:
    """Removes what only builds need: Go's build and module caches, downloads, toolchains, built programs; returns bytes freed.

    Raises images.busy while a compile of any process runs, disk.*.
    """
    try:
        with store.lock("compile", lambda: True):
            return _trim(paths, store, young)
    except MlstackError as error:
        if error.code != "run.interrupted":
            raise
        raise MlstackError(
            "images.busy",
            "The build caches are in use",
            why="a compile is running, of this or another mlstack process",
            remedy="wait for it to end, then repeat the command",
        ) from error


def _trim(paths: Paths, store: Store, young: float) -> int:
    freed = 0
    for entry in store.entries():
        if entry.kind == "program":
            store.forget(entry.key)
    needed = {digest for entry in store.entries() for digest in entry.blobs}
    freed += _sweep(store, needed, young) + _clean_temporary(store)
    for path in (paths.go, paths.downloads, paths.cache / "toolchains", paths.cache / "apt", paths.cache / "logs"):
        freed += tree_size(path)
        remove_tree(path)
    return freed + clean_work(paths.cache / "work")


def _sweep(store: Store, needed: set[str], young: float) -> int:
    freed = 0
    oldest = time.time() - young
    for path in (store.root / "blobs" / "sha256").glob("*"):
        if f"sha256:{path.name}" in needed:
            continue
        with guard(path):
            stat = path.stat()
            if stat.st_mtime <= oldest:
                path.unlink(missing_ok=True)
                freed += stat.st_blocks * 512
    return freed


def _clean_temporary(store: Store) -> int:
    freed = 0
    for path in (store.root / "tmp").glob("*"):
        if owner_is_gone(path.name):
            with guard(path):
                freed += path.stat().st_blocks * 512
                path.unlink(missing_ok=True)
    return freed
