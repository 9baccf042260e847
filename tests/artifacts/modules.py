"""A Go module proxy in a directory (``file://``), and locks that use it: builds without a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mlstack.artifacts.goproxy import dirhash, escape


def publish(proxy: Path, module: str, version: str, files: Mapping[str, str]) -> tuple[str, str]:
    """Puts a module into the proxy; returns the hashes of its zip and of its go.mod as go.sum wants them."""
    directory = proxy / escape(module) / "@v"
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"{escape(version)}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in files.items():
            target.writestr(f"{module}@{version}/{name}", text)
    (directory / f"{escape(version)}.mod").write_text(files["go.mod"])
    (directory / f"{escape(version)}.info").write_text(f'{{"Version": "{version}"}}')
    line = f"{hashlib.sha256(files['go.mod'].encode()).hexdigest()}  go.mod\n"
    return dirhash(archive), "h1:" + base64.b64encode(hashlib.sha256(line.encode()).digest()).decode()


def write_lock(data: Path, name: str, requires: Mapping[str, tuple[str, str, str]]) -> Path:
    """A lock: module -> (version, h1 of the zip, h1 of its go.mod)."""
    directory = data / "stacks" / "locks" / "go" / name
    directory.mkdir(parents=True)
    needs = "\n".join(f"require {module} {version}" for module, (version, _, _) in requires.items())
    (directory / "go.mod").write_text(f"module example.test/locks/{name}\n\ngo 1.21\n\n{needs}\n")
    lines = [
        f"{module} {version} {h1}\n{module} {version}/go.mod {mod}" for module, (version, h1, mod) in requires.items()
    ]
    (directory / "go.sum").write_text("\n".join(lines) + "\n")
    return directory
