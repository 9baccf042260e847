"""What is wanted (rendered stacks) and what is there (facts): the two inputs of the pure ``plan``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlstack.core.model import ClusterFacts, ClusterSpec, Object, ResourceId
from mlstack.core.people import Account, User
from mlstack.core.tls import CertificateFacts

if TYPE_CHECKING:
    # Only for annotations: building the document models takes a fifth of a second, which a run without them need not pay.
    from mlstack.core.recipe import Image
    from mlstack.core.servicespec import BucketSpec, DatabaseSpec, SecretSpec
    from mlstack.core.stackfile import CertificateSpec, Endpoint, WaitSpec


@dataclass(frozen=True, slots=True)
class RenderedStack:
    """A stack after rendering and patching, ready to be planned.

    objects: every object, its Namespace first, labelled with instance and stack, images as their ``ref``;
    requires: names of the stacks it depends on (capabilities resolved); providers: capability -> rendered exports.
    """

    name: str
    version: str
    namespace: str
    objects: tuple[Object, ...]
    images: tuple[Image, ...] = ()
    requires: tuple[str, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    buckets: tuple[BucketSpec, ...] = ()
    databases: tuple[DatabaseSpec, ...] = ()
    certificates: tuple[CertificateSpec, ...] = ()
    users: tuple[User, ...] = ()
    waits: tuple[WaitSpec, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    providers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The whole target. node_image: ref of the node image, empty when the provider needs none; tools: host programs;
    renew: generated Secrets that get new values."""

    cluster: ClusterSpec
    stacks: tuple[RenderedStack, ...]
    node_image: str = ""
    tools: tuple[str, ...] = ()
    renew: frozenset[ResourceId] = frozenset()


@dataclass(frozen=True, slots=True)
class LiveObject:
    """What a LIST tells of an object. owned: hash of the fields our field manager owns, from managedFields.

    ready: false for an object known not to be ready by the rules of its kind (kinds without such rules are ready).
    ours: it carries the labels of this instance. revision: of a Secret's data, see ``core.restarts``; uses: the mark of
    the Secrets that a workload's pods were started with.
    """

    rid: ResourceId
    fingerprint: str
    owned: str
    uid: str = ""
    terminating: bool = False
    ours: bool = True
    ready: bool = True
    revision: str = ""
    uses: str = ""


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """An object we applied: with the fingerprint of what was rendered and the hash of the fields we owned afterwards."""

    rid: ResourceId
    fingerprint: str = ""
    owned: str = ""


@dataclass(frozen=True, slots=True)
class StackInventory:
    """What the last successful run left of one stack. ensured: ids of buckets, databases and secrets that were made."""

    stack: str
    version: str
    entries: tuple[InventoryEntry, ...] = ()
    ensured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the host offers. engine: version of the running container engine, empty when none answers.

    engine_installed: an engine is installed, running or not; ours: mlstack started it and remembers how;
    changes: what preparing the host would change, for the user to agree to; empty when nothing is needed.
    """

    engine: str = ""
    engine_installed: bool = False
    ours: bool = False
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there. cached: image refs and tool names in the store; estimates: step id -> seconds of earlier runs.

    given: references to the user's secrets that can be read -> a hash of what they hold;
    half_made: an earlier run was ended while it made the cluster, so that a broken one holds nothing of value;
    accounts: users that the identity provider keeps, by name; None where nobody could be asked.
    certificates: by the Secret that holds one; now: when they were read, seconds since the epoch.
    held: definitions that an inventory names and no wanted stack has -> the objects of their kinds, as namespace/name.
    """

    host: HostFacts
    cluster: ClusterFacts
    live: Mapping[ResourceId, LiveObject] = field(default_factory=dict)
    inventory: Mapping[str, StackInventory] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    estimates: Mapping[str, float] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    half_made: bool = False
    accounts: Mapping[str, Account] | None = None
    certificates: Mapping[ResourceId, CertificateFacts] = field(default_factory=dict)
    now: float = 0.0
    held: Mapping[ResourceId, Sequence[str]] = field(default_factory=dict)
