"""Puts the ml-metadata wheel that the image's lock pins where the tests find it; its C++ store is what is tested against."""

import os
import re
import sys
import zipfile
from pathlib import Path

from mlstack.adapters.paths import find_paths
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.wheels import Wheels, host_architecture

LOCK = Path(__file__).resolve().parents[2] / "stacks" / "locks" / "python" / "lineage.txt"


def _wheel() -> Path:
    pinned = re.search(r"ml-metadata==(\S+) \\\n\s+--hash=sha256:([0-9a-f]{64})", LOCK.read_text())
    assert pinned, LOCK
    downloads = find_paths(os.environ).downloads
    hashes = {host_architecture(): pinned[2]}
    wheel = Wheels(HostShell(), downloads).fetch("ml-metadata", pinned[1], hashes, host_architecture())
    directory = downloads / "wheels" / f"{wheel.stem}.unpacked"
    if not directory.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
    return directory


sys.path.append(str(_wheel()))
