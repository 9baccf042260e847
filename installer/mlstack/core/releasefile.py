"""The release, node and base image documents: tested sets of stacks and what a provider needs to make nodes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from mlstack.core.documentmodel import Strict
from mlstack.core.recipe import Build, Image
from mlstack.core.servicespec import Quantity
from mlstack.core.stackfile import Budget, Source
from mlstack.core.toolrecipe import Tool


class Profile(Strict):
    """A named set of stacks with what the host must offer. memory/cpu: the budget of all requests; host: what the node needs."""

    summary: str
    stacks: list[str]
    budget: Budget
    host_memory: Quantity
    host_cpus: int
    disk_build: Quantity
    """Free disk a cold build from nothing needs at its peak."""
    disk_run: Quantity


class ReleaseSpec(Strict):
    """A tested set. stacks: name -> version (the default); versions: further versions that are known to work."""

    kubernetes: str
    node: str
    stacks: dict[str, str]
    versions: dict[str, list[str]] = {}
    addons: dict[str, str] = {}
    alternatives: dict[str, dict[str, str]] = {}
    """capability -> choice -> the stack that provides it then, instead of the one a profile lists."""
    profiles: dict[str, Profile]
    default_profile: str = "minimal"


class ReleaseMetadata(Strict):
    """A release's name (calendar version)."""

    name: str
    summary: str = ""


class Release(Strict):
    """``stacks/releases/<rel>.yaml``."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["Release"]
    metadata: ReleaseMetadata
    spec: ReleaseSpec


class NodeSpec(Strict):
    """What a node provider needs from the artifact backends.

    image: the node image; preload: images imported before kubeadm runs, kept in the node image as archives;
    tools: host programs; sources: as in a stack; config: provider-specific constants (CNI, kubeadm patches) as data.
    """

    kubernetes: str
    sources: dict[str, Source] = {}
    image: Image
    preload: list[Image] = []
    preload_to: str = "/kind/images"
    tools: list[Tool] = []
    config: dict[str, Any] = {}


class NodeMetadata(Strict):
    """A node recipe's name (its directory's) and the provider it is for."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][-.a-z0-9]*$")]
    provider: str
    summary: str = ""


class Node(Strict):
    """``stacks/nodes/<name>/node.yaml``."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["Node"]
    metadata: NodeMetadata
    spec: NodeSpec


class BaseImage(Strict):
    """``stacks/bases/<name>.yaml``: a shared base recipe."""

    api_version: Literal["mlstack/v1alpha1"]
    kind: Literal["BaseImage"]
    metadata: ReleaseMetadata
    spec: Build
