"""Fixtures of the engine's tests: a played API server each, and a real one a session, skipped where its programs are missing."""

from __future__ import annotations

import pytest
from apiserver import ApiServer, missing
from fakeapi import FakeApi
from world import World


@pytest.fixture
def fake(tmp_path):
    server = FakeApi(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def world(fake, tmp_path):
    return World(fake.kubeconfig, tmp_path / "state")


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    absent = missing()
    if absent:
        pytest.skip(f"no {' and '.join(absent)} in MLSTACK_TEST_BIN or PATH")
    server = ApiServer(tmp_path_factory.mktemp("api")).start()
    yield server
    server.stop()
