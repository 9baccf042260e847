"""Shared watches: one per kind and namespace however many steps wait, each keeping the latest state of its objects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mlstack.core.errors import MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.ports import ApiResource, Kube

WATCH_SECONDS = 50.0
KEPT_SPEC = ("replicas", "updateStrategy", "suspend", "selector", "nodeName")
"""Parts of a spec that readiness and messages look at; the rest is dropped at once to keep memory small."""


@dataclass(frozen=True, slots=True)
class WatchKey:
    """What is watched: a kind, in one namespace or all, by labels or fields."""

    api_version: str
    kind: str
    namespace: str = ""
    selector: str = ""
    fields: str = ""


Changed = Callable[[WatchKey, ResourceId, Object | None], None]
Failed = Callable[[WatchKey, MlstackError], None]


def slim(obj: Object) -> Object:
    """The object without what nobody here looks at."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    kept = {**obj, "metadata": metadata}
    if isinstance(obj.get("spec"), dict):
        kept["spec"] = {key: value for key, value in obj["spec"].items() if key in KEPT_SPEC}
    return kept


class Informer:
    """One watch in a thread of its own. changed is called for each change, outside of any lock."""

    def __init__(self, kube: Kube, resource: ApiResource, key: WatchKey, changed: Changed, failed: Failed) -> None:
        self._kube, self._resource, self._key = kube, resource, key
        self._changed, self._failed = changed, failed
        self._objects: dict[ResourceId, Object] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._follow, daemon=True, name=f"watch {key.kind}").start()

    def get(self, rid: ResourceId) -> Object | None:
        """The latest state of an object, None when it is not there (or not seen yet)."""
        with self._lock:
            return self._objects.get(rid)

    def all(self) -> list[Object]:
        """The latest state of all objects."""
        with self._lock:
            return list(self._objects.values())

    def end(self) -> None:
        """Stops following; the thread ends with its watch."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                self._objects = {}
            try:
                self._read()
            except MlstackError as error:
                if error.code == "kube.too-old":
                    continue
                if not self._ended.is_set():
                    self._failed(self._key, error)
                return

    def _read(self) -> None:
        events = self._kube.watch(
            self._resource,
            namespace=self._key.namespace,
            selector=self._key.selector,
            fields=self._key.fields,
            timeout=WATCH_SECONDS,
        )
        for event in events:
            if self._ended.is_set():
                return
            obj = {"apiVersion": self._resource.api_version, "kind": self._resource.kind, **slim(event.object)}
            rid = ResourceId.of(obj)
            with self._lock:
                if event.type == "DELETED":
                    self._objects.pop(rid, None)
                else:
                    self._objects[rid] = obj
            self._changed(self._key, rid, None if event.type == "DELETED" else obj)


class Informers:
    """All watches of a run."""

    def __init__(self, kube: Callable[[], Kube], changed: Changed, failed: Failed) -> None:
        self._kube, self._changed, self._failed = kube, changed, failed
        self._known: dict[WatchKey, Informer | None] = {}
        self._lock = threading.Lock()

    def want(self, key: WatchKey) -> Informer | None:
        """The watch of a key, begun when it is new; None when the cluster does not serve the kind."""
        with self._lock:
            if key in self._known:
                return self._known[key]
        # Outside of the lock: it may take a while, and ``end`` must not wait for it.
        kube = self._kube()
        resource = kube.resource(key.api_version, key.kind)
        with self._lock:
            if key not in self._known and resource is not None:
                self._known[key] = Informer(kube, resource, key, self._changed, self._failed)
            return self._known.get(key)

    def drop(self, key: WatchKey) -> None:
        """Forgets a watch that failed; it is not begun again."""
        with self._lock:
            self._known[key] = None

    def end(self) -> None:
        """Stops all."""
        with self._lock:
            for informer in self._known.values():
                if informer is not None:
                    informer.end()
