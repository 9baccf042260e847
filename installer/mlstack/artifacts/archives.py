"""Unpacks a stack's zips and tars for a Debian root: as tars with sorted entries, fixed times, one owner. Nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlstack.artifacts.disk import guard, make_directory
from mlstack.artifacts.layer import entries_of, write_tar
from mlstack.artifacts.rootfs import matcher
from mlstack.artifacts.tree import Tree
from mlstack.artifacts.trees import remove_tree
from mlstack.artifacts.untar import TARS, extract_tar
from mlstack.artifacts.zips import open_zip
from mlstack.core.errors import MlstackError
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import Archive


def unpack(zips: Sequence[tuple[Archive, Path]], work: Path, cancelled: Cancelled) -> list[Path]:
    """Writes one tar for each archive below ``work``, in their order. Raises artifact.*, disk.*, run.interrupted."""
    tars = []
    for index, (recipe, path) in enumerate(zips):
        files = make_directory(work / f"archive-{index}")
        prefix = f"{recipe.prefix.strip('/')}/".lstrip("/")
        count = _extract(path, files, prefix, matcher(recipe.exclude))
        if not count:
            raise MlstackError(
                "artifact.bad-recipe", f"{path.name} has no file below '{recipe.prefix}'", remedy="correct the recipe"
            )
        placed = Tree().place(entries_of(files, recipe.to, owner=(recipe.user, recipe.group)))
        tar = work / f"archive-{index}.tar"
        with guard(tar), tar.open("xb") as file:
            write_tar(placed, file.write, cancelled)
        remove_tree(files)
        tars.append(tar)
    return tars


def _extract(path: Path, files: Path, prefix: str, without: re.Pattern[str]) -> int:
    if path.name.endswith(TARS):
        return extract_tar(path, files, prefix, without)
    with open_zip(path) as reader:
        return reader.extract(files, prefix, without)
