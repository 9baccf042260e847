"""Makes the fakes of this directory importable and hands out a kind provider built on them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from providerfakes import AwakeKube, FakeEngine, FakeHost, FakeImages, KindShell, World

from mlstack.adapters.catalog import DataCatalogue
from mlstack.core.model import Paths
from mlstack.core.releasefile import Node
from mlstack.providers.kind import KindProvider

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def node() -> Node:
    return DataCatalogue(ROOT).node("kind-1.36.3")


@pytest.fixture
def world(tmp_path: Path, node: Node) -> World:
    engine = FakeEngine()
    shell, images, host = KindShell(engine), FakeImages(tmp_path), FakeHost()
    paths = Paths(tmp_path / "cache", tmp_path / "state", ROOT)
    provider = KindProvider(engine, shell, images, host, paths, node, connect=lambda _path: AwakeKube())
    return World(engine, shell, images, host, provider, paths, [])
