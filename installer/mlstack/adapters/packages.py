"""Reads Python packages of this program from where they are installed, for images that hold them. Imports none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mlstack.core.errors import MlstackError

ROOT = Path(__file__).resolve().parents[2]
"""The directory that holds this package and those beside it, in a checkout as well as installed."""
_UNWANTED = frozenset({"__pycache__", "tests", "_data"})


def package_files(names: Iterable[str], root: Path = ROOT) -> dict[str, Path]:
    """Path in the image -> file of the named packages, sorted; with the ``__init__.py`` of the packages above them.

    Left out: tests, compiled code, hidden files and the shipped data. Raises artifact.no-package.
    """
    found: dict[str, Path] = {}
    for name in names:
        directory = root.joinpath(*name.split("."))
        if not (directory / "__init__.py").is_file():
            raise MlstackError(
                "artifact.no-package",
                f"There is no Python package '{name}'",
                why=f"looked for {directory}",
                remedy="correct the recipe, or install mlstack again",
            )
        above = [
            parent / "__init__.py" for parent in directory.parents if parent.is_relative_to(root) and parent != root
        ]
        inside = [path for path in directory.rglob("*") if path.is_file() and _wanted(path.relative_to(directory))]
        found |= {path.relative_to(root).as_posix(): path for path in [*above, *inside]}
    return dict(sorted(found.items()))


def content_of(files: Iterable[tuple[str, bytes]]) -> str:
    """Hash of names and contents, the same on every host."""
    total = hashlib.sha256()
    for name, data in files:
        total.update(f"{name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()


def packages_digest(names: Iterable[str], root: Path = ROOT) -> str:
    """Hash of everything that ``package_files`` finds. Raises artifact.no-package."""
    return content_of((name, path.read_bytes()) for name, path in package_files(names, root).items())


def _wanted(path: Path) -> bool:
    parts = path.parts
    return not _UNWANTED & set(parts) and not any(part.startswith(".") for part in parts) and path.suffix != ".pyc"
