"""A cluster in memory for every test."""

from __future__ import annotations

import pytest
from notebookworld import Memory


@pytest.fixture
def memory() -> Memory:
    return Memory()
