"""Both providers keep the contract, on an engine and an API in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from providerfakes import DIGEST, World
from suite import ProviderContract

from mlstack.core.model import ClusterSpec, ImageRecord, ImageSource
from mlstack.core.ports import ClusterProvider
from mlstack.providers.existing import DEFAULT_CLASS, ExistingProvider

NAME = "quay.io/org/thing:1"


class TestKind(ProviderContract):
    makes_cluster = True

    @pytest.fixture
    def provider(self, world: World) -> ClusterProvider:
        world.create()
        world.engine.runtime["lab-control-plane"] = {NAME: DIGEST}
        return world.provider

    @pytest.fixture
    def spec(self, world: World) -> ClusterSpec:
        return world.spec

    @pytest.fixture
    def stored(self) -> ImageRecord:
        return ImageRecord(NAME, DIGEST, 10, ImageSource.BUILD)


class Api:
    """A small cluster with everything that is needed."""

    def server_version(self) -> str:
        return "v1.36.3"

    def review(self, obj: dict[str, object]) -> dict[str, object]:
        return {"status": {"allowed": True}}

    def resource(self, api_version: str, kind: str) -> str:
        return kind

    def list(self, resource: str) -> list[dict[str, object]]:
        if resource == "StorageClass":
            return [{"metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}}}]
        status = {
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": [{"names": [NAME]}],
            "nodeInfo": {"architecture": "amd64"},
        }
        return [{"metadata": {"name": "n1"}, "status": status}]

    def close(self) -> None:
        return


class TestExisting(ProviderContract):
    makes_cluster = False

    @pytest.fixture
    def provider(self, tmp_path: Path) -> ClusterProvider:
        path = tmp_path / "kubeconfig"
        path.touch(0o600)
        return ExistingProvider(path, "", lambda _path: Api())

    @pytest.fixture
    def spec(self) -> ClusterSpec:
        return ClusterSpec("lab", "1.36.3")

    @pytest.fixture
    def stored(self) -> ImageRecord:
        return ImageRecord(NAME, DIGEST, 10, ImageSource.REGISTRY)
