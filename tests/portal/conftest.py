"""Fixtures of the portal's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from portalworld import Site, make_site


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)
