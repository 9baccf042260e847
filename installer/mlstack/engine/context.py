"""What the handlers of a run get: the ports they may use, and what the run has learnt so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mlstack.core.desired import InventoryEntry, LiveObject, StackInventory
from mlstack.core.diff import owned_hash
from mlstack.core.events import Emit
from mlstack.core.model import ANNOTATION_FINGERPRINT, ClusterSpec, Object, ResourceId
from mlstack.core.ports import Cancelled, ClusterProvider, Images, Kube, Playbooks
from mlstack.core.serviceports import Certificates, Database, ObjectStore, Sessions, Users
from mlstack.engine.access import ClusterAccess
from mlstack.engine.baseline import Baseline


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside world of a run. object_store: (host:port, access key, secret key) -> store; database, users and sessions: (kube,
    exports of the providing stack) -> server; given: reference to a secret of the user's -> the secret, else secret.not-given."""

    images: Images
    provider: ClusterProvider
    playbooks: Playbooks
    object_store: Callable[[str, str, str], ObjectStore]
    database: Callable[[Kube, Mapping[str, str]], Database]
    certificates: Certificates
    users: Callable[[Kube, Mapping[str, str]], Users]
    sessions: Callable[[Kube, Mapping[str, str]], Sessions]
    given: Callable[[str], str] = str


@dataclass(slots=True)
class Context:
    """One run's ports and knowledge. Handlers run in several threads: what they note goes through ``note``.

    blind: the plan was made while the cluster was stopped, so that it knew no inventory; what is in them then is kept.
    live: what is there of ours, read once such a cluster runs.
    """

    spec: ClusterSpec
    access: ClusterAccess
    ports: Ports
    emit: Emit
    cancelled: Cancelled
    inventories: Mapping[str, StackInventory] = field(default_factory=dict)
    applied: dict[ResourceId, InventoryEntry] = field(default_factory=dict)
    baselines: dict[ResourceId, Baseline] = field(default_factory=dict)
    blind: bool = False
    live: Mapping[ResourceId, LiveObject] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def instance(self) -> str:
        """The instance's name."""
        return self.spec.instance

    def note(self, rid: ResourceId, obj: Object, answer: Object) -> None:
        """Remembers an apply for the inventory and for the wait that follows it."""
        metadata = answer["metadata"]
        fingerprint = (obj["metadata"].get("annotations") or {}).get(ANNOTATION_FINGERPRINT, "")
        with self.lock:
            self.applied[rid] = InventoryEntry(rid, fingerprint, owned_hash(metadata))
            self.baselines[rid] = Baseline(metadata.get("uid", ""), metadata.get("generation") or 0)
