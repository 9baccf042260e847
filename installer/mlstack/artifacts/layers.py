"""Layers by recipe: each is made once, kept under the hash of what it is made of, and shared by all images that need it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field

from mlstack.artifacts.layer import Layer, write_layer
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.tree import LayerEntry, Tree
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import fingerprint

FORMAT = 1
"""Raised when the same recipe must give another layer."""
Open = Callable[[], AbstractContextManager[Sequence[LayerEntry]]]
"""Opens a layer's entries, whose content lives as long as the block."""


@dataclass(slots=True)
class Stack:
    """The layers of an image so far. key: identifies them by recipe; tree: all paths they hold."""

    layers: list[Layer] = field(default_factory=list)
    key: str = "scratch"
    seconds: float = 0.0

    def tree(self, store: Store) -> Tree:
        """The paths of all layers."""
        return Tree.from_bytes(store.read_bytes(self.layers[-1].tree)) if self.layers else Tree()


class LayerCache:
    """Makes layers or finds them in the store."""

    def __init__(self, store: Store, architecture: str) -> None:
        self._store = store
        self._architecture = architecture

    def key(self, stack: Stack, kind: str, parts: Sequence[object]) -> str:
        """The key of a layer of a kind over ``stack``: parts are all that its content depends on."""
        return fingerprint("layer", FORMAT, self._architecture, stack.key, kind, list(parts))

    def add(
        self,
        stack: Stack,
        kind: str,
        parts: Sequence[object],
        entries: Open,
        cancelled: Cancelled,
        *,
        compress: bool = True,
    ) -> None:
        """Puts a layer on top of ``stack``, made by ``entries`` unless the store has it."""
        key = self.key(stack, kind, parts)
        with self._store.lock(f"layer-{key}", cancelled):
            entry = self._store.get(key)
            if entry is None:
                start = time.monotonic()
                with entries() as made:
                    layer = write_layer(
                        self._store, made, stack.tree(self._store), compress=compress, cancelled=cancelled
                    )
                entry = self._record(key, kind, layer, time.monotonic() - start)
        stack.layers.append(Layer(**entry.data["layer"]))
        stack.key = key
        stack.seconds += entry.seconds

    def _record(self, key: str, kind: str, layer: Layer, seconds: float) -> Entry:
        tree_size = self._store.blob(layer.tree).stat().st_size
        blobs = {layer.digest: layer.size, layer.tree: tree_size}
        entry = Entry(key, "layer", layer.digest, blobs, {"what": kind, "layer": asdict(layer)}, seconds)
        self._store.put(entry)
        return entry
