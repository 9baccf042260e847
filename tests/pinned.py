"""Wheels that an image's lock pins, unpacked for tests: what is tested against is what the image has."""

import os
import re
import sys
import zipfile
from pathlib import Path

from mlstack.adapters.paths import find_paths
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.wheels import Wheels, host_architecture
from mlstack.core.errors import MlstackError

LOCKS = Path(__file__).resolve().parents[1] / "stacks" / "locks" / "python"


def add_to_path(lock: str, *names: str) -> None:
    """Puts the pinned wheels at the end of the import path."""
    text = (LOCKS / f"{lock}.txt").read_text()
    downloads = find_paths(os.environ).downloads
    for name in names:
        pinned = re.search(rf"(?m)^{re.escape(name)}==(\S+) ((?:\\\n\s+--hash=sha256:\w+\s?)+)", text)
        assert pinned, f"{name} in {lock}.txt"
        wheel = _fetch(name, pinned[1], re.findall(r"sha256:(\w+)", pinned[2]), downloads)
        directory = downloads / "wheels" / f"{wheel.stem}.unpacked"
        if not directory.exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(directory)
        sys.path.append(str(directory))


def _fetch(name: str, version: str, hashes: list[str], downloads: Path) -> Path:
    """The wheel among what the lock pins, which names the source archive and other machines' wheels too."""
    machine, wheels = host_architecture(), Wheels(HostShell(), downloads)
    for number, one in enumerate(hashes):
        try:
            return wheels.fetch(name, version, {machine: one}, machine)
        except MlstackError as error:
            if error.code != "download.hash-mismatch" or number + 1 == len(hashes):
                raise
    raise AssertionError("a lock names hashes")
