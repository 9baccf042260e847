"""One invocation's shared parts, each made when it is first used, so that a command loads only what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.core.config import Config, Resolved
from mlstack.core.desired import Facts, RenderedStack
from mlstack.core.events import Emit, Message
from mlstack.core.model import Paths, ResourceId
from mlstack.core.ports import Cancelled, ClusterProvider, Images, Kube
from mlstack.core.releasefile import Node, Profile, Release

if TYPE_CHECKING:
    from mlstack.adapters.catalog import DataCatalogue
    from mlstack.adapters.docker import DockerEngine
    from mlstack.adapters.given import GivenSecrets
    from mlstack.adapters.host import LocalHost
    from mlstack.adapters.kube_server import KubeServer
    from mlstack.app.artifacts import Artifacts
    from mlstack.app.choices import Choices
    from mlstack.core.context import RenderFacts
    from mlstack.core.looks import Looks
    from mlstack.core.model import ClusterSpec, PortMapping
    from mlstack.core.people import People
    from mlstack.core.plan_base import Abilities
    from mlstack.core.ports import Playbooks
    from mlstack.core.render import Renderer
    from mlstack.core.resolve import Selection
    from mlstack.core.stackfile import Source


@dataclass
class Session:
    """Everything the use cases share. environ: the process environment."""

    resolved: Resolved
    paths: Paths
    catalogue: DataCatalogue
    choices: Choices
    environ: Mapping[str, str]
    emit: Emit
    cancelled: Cancelled
    seen: Facts | None = None
    """What was observed by a run that then found nothing to do, so that its end need not look again."""
    settled: Mapping[str, Any] | None = None
    """By what the next ``up`` can tell that there is still nothing to do, when this one found so."""
    renew: frozenset[ResourceId] = frozenset()
    """Generated Secrets that the next ``up`` gives new values."""
    locked: bool = False
    """The command that this is part of holds the instance's lock on this host."""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.resolved.config

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.config.name

    @property
    def directory(self) -> Path:
        """The instance's own directory."""
        return self.paths.instance(self.name)

    def warn(self, text: str) -> None:
        """A warning that belongs to no step."""
        self.emit(Message(text=text, level="warning"))

    @cached_property
    def release(self) -> Release:
        """The tested set in force."""
        return self.resolved.release or self.catalogue.release(self.catalogue.releases()[-1])

    @cached_property
    def profile(self) -> Profile:
        """The profile in force."""
        return self.release.spec.profiles[self.config.profile or self.release.spec.default_profile]

    @cached_property
    def node(self) -> Node:
        """The release's node recipe."""
        return self.catalogue.node(self.release.spec.node)

    @cached_property
    def selection(self) -> Selection:
        """The chosen stacks. Raises Problems (``config.stacks``)."""
        from mlstack.app.target import select

        return select(self)

    @cached_property
    def ports(self) -> tuple[PortMapping, ...]:
        """The host ports of the cluster; free ones are picked once."""
        from mlstack.app.target import ports

        return ports(self)

    @cached_property
    def render_facts(self) -> RenderFacts:
        """What rendering may know of this instance."""
        from mlstack.app.target import render_facts

        return render_facts(self)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The artifact backends with their parts."""
        from mlstack.app.artifacts import Artifacts

        return Artifacts(self)

    @property
    def images(self) -> Images:
        """The artifact backends as a port."""
        return self.artifacts.images

    @cached_property
    def renderer(self) -> Renderer:
        """Renders stacks, with parsed upstream objects kept in the cache."""
        from mlstack.adapters.catalog import FileCache
        from mlstack.core.render import Renderer

        def read(source: Source, globs: Sequence[str]) -> Mapping[str, bytes]:
            return self.artifacts.read_source(source, globs)  # only what is not cached needs the artifact backends

        return Renderer(read, FileCache(self.paths.cache / "rendered"))

    @cached_property
    def stacks(self) -> tuple[RenderedStack, ...]:
        """The rendered stacks in dependency order."""
        from mlstack.app.machines import with_issuer

        facts = with_issuer(self, replace(self.render_facts, people=self.people))
        return self.renderer.render(self.selection, facts)

    def exports(self, capability: str) -> Mapping[str, str]:
        """What the chosen stack that provides a capability exports; empty where none does."""
        return next((stack.exports[capability] for stack in self.stacks if capability in stack.exports), {})

    @cached_property
    def people(self) -> People:
        """Users and profiles, those included that the cluster remembers."""
        from mlstack.app.people import people_of

        return people_of(self)

    @cached_property
    def spec(self) -> ClusterSpec:
        """The cluster that is wanted."""
        from mlstack.app.target import cluster_spec

        return cluster_spec(self)

    @cached_property
    def engine(self) -> DockerEngine:
        """The container engine."""
        from mlstack.adapters.docker import DockerEngine

        return DockerEngine(self.environ)

    @cached_property
    def given(self) -> GivenSecrets:
        """Secrets that the user gives by reference."""
        from mlstack.adapters.given import GivenSecrets

        return GivenSecrets(self.environ)

    @cached_property
    def host(self) -> LocalHost:
        """Facts of this host."""
        from mlstack.adapters.host import LocalHost

        return LocalHost(environment=self.environ)

    @cached_property
    def playbooks(self) -> Playbooks:
        """Ansible."""
        from mlstack.adapters.ansible import AnsiblePlaybooks

        return AnsiblePlaybooks(self.paths.data / "playbooks", self.paths.state / "ansible")

    @cached_property
    def provider(self) -> ClusterProvider:
        """The cluster provider the configuration names."""
        from mlstack.app.provider import make_provider

        return make_provider(self)

    @cached_property
    def abilities(self) -> Abilities:
        """What the provider can do."""
        from mlstack.core.plan_base import Abilities

        own = self.config.provider.type == "kind"
        return Abilities(makes_cluster=own, loads_images=own)

    def server(self) -> KubeServer:
        """What the cluster's API server tells beside its objects. Raises kubeconfig.*."""
        from mlstack.adapters.kube_server import KubeServer

        return KubeServer(self.provider.kubeconfig(self.spec), self._context, read=self.looks.take)

    @property
    def _context(self) -> str:
        return self.config.provider.existing.context if self.config.provider.type == "existing" else ""

    def connect(self, kubeconfig: Path | None = None) -> Kube:
        """A client of the cluster's API. Raises kubeconfig.* and kube.*."""
        from mlstack.adapters.kube import KubeClient

        path = kubeconfig or self.provider.kubeconfig(self.spec)
        return KubeClient(path, self._context, notify=self.warn, read=self.looks.take)

    @cached_property
    def looks(self) -> Looks:
        """What was read of the cluster."""
        from mlstack.core.looks import Looks

        return Looks()
