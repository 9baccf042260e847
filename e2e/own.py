"""Platforms that a test makes for itself, of profile ``standard`` with settings of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from e2e.platform import Platform

HEAD = "apiVersion: mlstack/v1alpha1\nkind: Config\nprofile: standard\n"
UP_SECONDS = 4500


def configured(name: str, directory: Path, text: str) -> Platform:
    """An instance with a configuration file in the directory. text: what it says besides the profile."""
    file = directory / "mlstack.yaml"
    file.write_text(HEAD + text)
    return Platform(name, extra=("-f", str(file)))


@contextmanager
def of_its_own(made: Platform, uncaptured: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Brings the platform up, and removes it at the end unless it was there before."""
    there = made.cli("status", "--json", check=False).code == 0
    with uncaptured():
        argv = made.argv("up", "--yes", "--plain")
        code = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=UP_SECONDS, check=False).returncode
    assert code == 0
    yield
    if not there:
        made.cli("down", "--purge", "--yes", timeout=300)
