"""Fixtures of the engine's tests: a real API server, shared by the session and skipped where its programs are missing."""

from __future__ import annotations

import pytest
from apiserver import ApiServer, missing


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    absent = missing()
    if absent:
        pytest.skip(f"no {' and '.join(absent)} in MLSTACK_TEST_BIN or PATH")
    server = ApiServer(tmp_path_factory.mktemp("api")).start()
    yield server
    server.stop()
