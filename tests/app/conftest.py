"""The played API server of the engine's tests, for use cases that write to the cluster."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from fakeapi import FakeApi


@pytest.fixture
def fake(tmp_path):
    server = FakeApi(tmp_path)
    yield server
    server.stop()
