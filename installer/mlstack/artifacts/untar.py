"""Writes the files of a tar from outside to disk without trusting it: only regular files, none outside of the target, no bomb."""

from __future__ import annotations

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mlstack.artifacts.disk import guard
from mlstack.artifacts.zips import MAX_FILES, MAX_TOTAL, check_name, hostile
from mlstack.core.disk import human

TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
"""How names of files end that are tars."""


def extract_tar(archive: Path, target: Path, prefix: str, without: re.Pattern[str]) -> int:
    """Writes the regular files below ``prefix`` into ``target`` without the prefix; execute bits are kept, links left out.

    without: matches paths (without the prefix) that are left out. Gives the number of files. Raises artifact.hostile-archive.
    """
    count = 0
    with guard(archive):
        try:
            with tarfile.open(archive, "r|*") as reader:
                for name, member in _files(reader, archive):
                    short = name[len(prefix) :]
                    if name.startswith(prefix) and not without.fullmatch(short):
                        _write(reader.extractfile(member), target / short, member.mode, archive)
                        count += 1
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise hostile(archive, f"it is not a sound tar file: {error}") from error
    return count


def _files(reader: tarfile.TarFile, archive: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """(path, member) of each regular file, one after the other, within the limits."""
    total = 0
    for members, member in enumerate(reader, 1):
        total += member.size
        if members > MAX_FILES or total > MAX_TOTAL:
            raise hostile(archive, f"it announces {members} files of {human(total)}")
        if member.isreg():
            yield check_name(archive, member.name), member


def _write(file: IO[bytes] | None, path: Path, mode: int, archive: Path) -> None:
    """A member's content, at a path that no other member had."""
    assert file is not None, "a regular file has content"  # noqa: S101
    with guard(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise hostile(archive, f"it holds '{path.name}' twice")
        with path.open("xb") as out:
            while data := file.read(1 << 20):
                out.write(data)
        path.chmod(0o755 if mode & 0o111 else 0o644)
