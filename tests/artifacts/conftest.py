"""Fixtures of the artifact tests: a fresh store and the real shell and downloader."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlstack.adapters.download import HttpDownload
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.store import Store


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, warnings: list[str]) -> Store:
    return Store(tmp_path / "store", warnings.append)


@pytest.fixture
def shell() -> HostShell:
    return HostShell()


@pytest.fixture
def download() -> HttpDownload:
    return HttpDownload(timeout=5)
