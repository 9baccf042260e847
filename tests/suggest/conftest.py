"""Puts Katib's message types where the image has them: out of the wheel that the image's recipe pins."""

import os
import sys
import zipfile
from pathlib import Path

from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.paths import find_paths
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.wheels import Wheels, host_architecture


def _types() -> Path:
    catalogue = DataCatalogue(Path(__file__).resolve().parents[2])
    images = catalogue.entry("katib", "0.19.0").document.spec.images
    build = next(image.build for image in images if image.build and image.build.packages)
    pinned = build.wheels[0]
    downloads = find_paths(os.environ).downloads
    wheel = Wheels(HostShell(), downloads).fetch(pinned.name, pinned.version, pinned.sha256, host_architecture())
    directory = downloads / "wheels" / f"{wheel.stem}.types"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in pinned.files:
            (directory / Path(name).name).write_bytes(archive.read(name))
    return directory


sys.path.append(str(_types()))
