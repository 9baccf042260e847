"""The nouns passed between layers: resource names, facts, actions, plan, outcomes. Frozen; no behaviour that touches the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as parsed from YAML or JSON."""

FIELD_MANAGER = "mlstack"
LABEL_INSTANCE = "mlstack.dev/instance"
LABEL_STACK = "mlstack.dev/stack"
ANNOTATION_FINGERPRINT = "mlstack.dev/fingerprint"
ANNOTATION_CONFIG = "mlstack.dev/config"
"""On a pod template: a hash of the ConfigMaps that it uses, so that other content means other pods."""
ANNOTATION_SECRETS = "mlstack.dev/secrets"
"""On a workload and its pod template: which states of its Secrets the pods were started with; says nothing of their values."""
ANNOTATION_REPLICAS = "mlstack.dev/replicas-at-first"
"""How many pods a workload has when it is made; how many it has later is not ours, and its ``spec.replicas`` is left out."""
ANNOTATION_OWNERS = "mlstack.dev/left-to"
"""On a workload that its users start, stop and may break (a notebook): nothing waits for it to become ready. Says whose it is."""
SYSTEM_NAMESPACE = "mlstack-system"
"""Holds the inventory Secret and the writer Lease."""


@dataclass(frozen=True, slots=True, order=True)
class ResourceId:
    """Names one Kubernetes object; ``str()`` is ``Kind/namespace/name`` in every message (namespace left out if none)."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = "v1"

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ResourceId:
        """The id of an object that has apiVersion, kind and metadata.name; raises KeyError otherwise."""
        meta = obj["metadata"]
        return cls(obj["kind"], meta["name"], meta.get("namespace", "") or "", obj["apiVersion"])


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log on this host. group: of the steps that write it (``host``, ``images``, ``cluster``); name: without directory."""

    group: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Where mlstack keeps things on this host. Everything under ``cache`` may be deleted at any time."""

    cache: Path
    state: Path
    data: Path
    """Root of the shipped data: holds ``stacks``, ``addons`` and ``playbooks``."""

    @property
    def store(self) -> Path:
        """The content-addressed store, shared by all instances."""
        return self.cache / "store"

    @property
    def go(self) -> Path:
        """Go module and build caches (``mod`` and ``build`` below it)."""
        return self.cache / "go"

    @property
    def downloads(self) -> Path:
        """Fetched source archives, checked by hash at each read."""
        return self.cache / "downloads"

    def instance(self, name: str) -> Path:
        """State of one instance: kubeconfig, journal, lock, durations, logs. Mode 0700."""
        return self.state / "instances" / name


class ImageSource(StrEnum):
    """Where an image may come from."""

    AUTO = "auto"
    REGISTRY = "registry"
    BUNDLE = "bundle"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image in the store. digest: of its OCI manifest; size: bytes of its layers, compressed as stored."""

    ref: str
    digest: str
    size: int
    source: ImageSource
    recipe: str = ""
    """Hash of the recipe it was built from; empty unless ``source`` is build."""


class ClusterState(StrEnum):
    """What a provider sees of its cluster."""

    ABSENT = "absent"
    STOPPED = "stopped"
    RUNNING = "running"
    BROKEN = "broken"
    """There are parts of it that cannot be started; ``create`` replaces it only after ``delete``."""
    FOREIGN = "foreign"
    """A cluster of that name exists that mlstack did not make."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a provider observed. nodes: node names; images: image references its runtime has already, in the store's version.

    half_made: its creation never finished, so that it holds nothing of value.
    """

    state: ClusterState
    detail: str = ""
    nodes: tuple[str, ...] = ()
    images: frozenset[str] = frozenset()
    architecture: str = "amd64"
    half_made: bool = False


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A NodePort of the cluster published on the host. address is 127.0.0.1 unless the user said otherwise."""

    name: str
    node_port: int
    host_port: int
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Mount:
    """A host directory mounted into every node."""

    host: str
    node: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The cluster a provider is asked to make."""

    instance: str
    kubernetes: str
    nodes: int = 1
    node_image: str = ""
    ports: tuple[PortMapping, ...] = ()
    mounts: tuple[Mount, ...] = ()
    memory: str = ""
    cpus: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The provider's own part of the configuration (``provider.<type>``)."""
