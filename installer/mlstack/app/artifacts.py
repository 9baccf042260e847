"""Wires the artifact backends to the catalogue and the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.stackfile import Source

if TYPE_CHECKING:
    from mlstack.adapters.download import HttpDownload
    from mlstack.app.session import Session
    from mlstack.artifacts.context import ImageContext
    from mlstack.artifacts.images import ImageBackends
    from mlstack.artifacts.sources import Sources
    from mlstack.core.ports import Shell


class Artifacts:
    """The backends, the sources and the host tools they use, for one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of programs: the process's own with the configured proxy and authorities."""
        network = self._session.config.network
        given = {
            "HTTP_PROXY": network.proxy.http,
            "HTTPS_PROXY": network.proxy.https,
            "NO_PROXY": ",".join(network.proxy.no),
            "SSL_CERT_FILE": network.ca,
            "PIP_CERT": network.ca,
        }
        return dict(self._session.environ) | {name: value for name, value in given.items() if value}

    @cached_property
    def shell(self) -> Shell:
        """Programs on this host."""
        from mlstack.adapters.shell import HostShell

        return HostShell(self.environment)

    @cached_property
    def download(self) -> HttpDownload:
        """HTTP downloads."""
        from mlstack.adapters.download import HttpDownload

        network = self._session.config.network
        return HttpDownload(
            proxy=network.proxy.https or network.proxy.http, ca_file=network.ca, no_proxy=network.proxy.no
        )

    @cached_property
    def sources(self) -> Sources:
        """Upstream text at pinned hashes."""
        from mlstack.artifacts.compose import make_sources

        return make_sources(self._session.paths, self.shell, self.download, self._session.warn)

    def read_source(self, source: Source, patterns: Sequence[str]) -> Mapping[str, bytes]:
        """The files of a source that match the globs."""
        return self.sources.read(source, patterns, self._session.cancelled)

    @cached_property
    def images(self) -> ImageBackends:
        """The ``Images`` port."""
        from mlstack.adapters.registry import OrasRegistry
        from mlstack.artifacts.compose import make_backends
        from mlstack.artifacts.settings import ArtifactSettings

        session, config = self._session, self._session.config.artifacts
        client = OrasRegistry(
            docker_config=Path(config.credentials) if config.credentials else None,
            ca_file=session.config.network.ca,
            proxy=session.config.network.proxy.https,
            no_proxy=session.config.network.proxy.no,
        )
        settings = ArtifactSettings(
            source=config.source,
            bundles=[Path(config.bundle)] if config.bundle else [],
            mirrors=config.mirrors,
            probe_timeout=config.registry_timeout,
        )
        tools = {tool.name: tool for tool in session.node.spec.tools}
        return make_backends(
            self.contexts, tools, session.paths, self.shell, self.download, client, settings, session.warn
        )

    @cached_property
    def contexts(self) -> dict[str, ImageContext]:
        """Every image of the chosen stacks and of the node, by reference."""
        from mlstack.artifacts.compose import node_contexts
        from mlstack.artifacts.context import ImageContext

        session = self._session
        found: dict[str, ImageContext] = {}
        if session.config.provider.type == "kind":
            directory = session.paths.data / "stacks" / "nodes" / session.node.metadata.name
            found |= node_contexts(session.node, directory)
        for chosen in session.selection.stacks:
            entry = chosen.entry
            directory = session.catalogue.directory(entry.name, entry.version)
            for image in entry.document.spec.images:
                found.setdefault(image.ref, ImageContext(image, directory, entry.document.spec.sources))
        return found
