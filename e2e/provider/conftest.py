"""A throw-away cluster of two nodes, made by the kind provider itself from the release's own node image."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import kubernetes
import pytest

from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.docker import DockerEngine
from mlstack.adapters.download import HttpDownload
from mlstack.adapters.host import LocalHost
from mlstack.adapters.kube import KubeClient
from mlstack.adapters.paths import find_paths
from mlstack.adapters.registry import OrasRegistry
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.compose import make_backends, node_contexts
from mlstack.artifacts.parts import ImageContext
from mlstack.core.events import Event
from mlstack.core.model import ClusterSpec, ImageRecord
from mlstack.providers.kind import KindProvider

ROOT = Path(__file__).parents[2]
OUT = ROOT / "e2e" / "out"


@dataclass
class Cluster:
    """The cluster under test and how long each part of its life took, in seconds."""

    provider: KindProvider
    spec: ClusterSpec
    seconds: list[tuple[str, float]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def control(self) -> str:
        """The container of the control plane."""
        return f"{self.spec.instance}-control-plane"

    @property
    def worker(self) -> str:
        """The container of the other node."""
        return f"{self.spec.instance}-worker"

    def timed(self, name: str) -> float:
        """Calls ``start``, ``stop``, ``create`` or ``delete`` and returns the seconds it took."""
        begin = time.monotonic()
        rest = (lambda: False,) if name in ("create", "start") else ()
        getattr(self.provider, name)(self.spec, self.events.append, name, *rest)
        self.seconds.append((name, round(time.monotonic() - begin, 1)))
        return self.seconds[-1][1]

    def core(self) -> kubernetes.client.CoreV1Api:
        """A fresh client: the API's connections do not survive a stop."""
        path = str(self.provider.kubeconfig(self.spec))
        return kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(path))

    def record(self, ref: str) -> ImageRecord:
        """An image of the store, made when it is not there."""
        return self.provider.images.obtain(ref, self.events.append, "image", lambda: False)


@pytest.fixture(scope="session")
def kind_provider(platform: object, tmp_path_factory: pytest.TempPathFactory) -> KindProvider:
    """``platform`` comes first: it prepares the host and fills the store, so that nothing is built here."""
    catalogue = DataCatalogue(ROOT)
    release = catalogue.release(catalogue.releases()[-1])
    node = catalogue.node(release.spec.node)
    paths = find_paths(os.environ)
    contexts: dict[str, ImageContext] = node_contexts(node, ROOT / "stacks" / "nodes" / node.metadata.name)
    storage = catalogue.entry("storage", release.spec.stacks["storage"])
    directory = catalogue.directory(storage.name, storage.version)
    for image in storage.document.spec.images:
        contexts[image.ref] = ImageContext(image, directory, storage.document.spec.sources)
    tools = {tool.name: tool for tool in node.spec.tools}
    shell = HostShell()
    images = make_backends(contexts, tools, paths, shell, HttpDownload(), OrasRegistry())
    own = replace(paths, state=tmp_path_factory.mktemp("state"))
    return KindProvider(DockerEngine(), shell, images, LocalHost(), own, node, connect=KubeClient)


@pytest.fixture(scope="package")
def cluster(kind_provider: KindProvider) -> Iterator[Cluster]:
    """Two nodes, so that whatever crosses nodes is in every test. Gone before the tests of the platform's life begin:
    its containers would keep the engine from ending with the last instance."""
    name = f"e2e-{uuid.uuid4().hex[:6]}"
    made = Cluster(kind_provider, ClusterSpec(name, kind_provider.node.spec.kubernetes, nodes=2))
    made.timed("create")
    try:
        yield made
    finally:
        made.timed("delete")
        OUT.mkdir(exist_ok=True)
        (OUT / "provider-seconds.json").write_text(json.dumps(made.seconds))
