"""Reads tars from outside without trusting them: only regular files, no path leaves the archive, no bomb fills memory or disk."""

from __future__ import annotations

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mlstack.artifacts.disk import guard
from mlstack.artifacts.zips import MAX_FILES, MAX_MEMBER, MAX_TOTAL, check_name, hostile, write_member
from mlstack.core.disk import human

TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
"""How names of files end that are tars."""
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_File = tuple[str, tarfile.TarInfo, IO[bytes]]
"""Its path, what the archive says of it, its content."""


def extract_tar(archive: Path, target: Path, prefix: str, without: re.Pattern[str]) -> int:
    """Writes the regular files below ``prefix`` into ``target`` without the prefix; execute bits are kept, links left out.

    without: matches paths (without the prefix) that are left out. Gives the number of files. Raises artifact.hostile-archive.
    """
    count = 0
    with _files(archive, MAX_TOTAL) as files:
        for name, member, file in files:
            short = name[len(prefix) :]
            if name.startswith(prefix) and not without.fullmatch(short):
                write_member(archive, target / short, _chunks(file), bool(member.mode & 0o111))
                count += 1
    return count


def read_tar(archive: Path) -> dict[str, bytes]:
    """Regular files by name, read into memory: none beyond 64 MiB, four times that together. Raises artifact.hostile-archive."""
    found: dict[str, bytes] = {}
    with _files(archive, 4 * MAX_MEMBER) as files:
        for name, member, file in files:
            if member.size > MAX_MEMBER:
                raise hostile(archive, f"member '{name[:200]}' has {human(member.size)}")
            found[name] = file.read()
    return found


@contextmanager
def _files(archive: Path, most: int) -> Iterator[Iterator[_File]]:
    """The regular files of a (compressed) tar; damage that shows while they are read is the archive's fault too."""
    with guard(archive):
        try:
            with tarfile.open(archive, "r|*") as reader:
                yield _members(reader, archive, most)
        except _DAMAGE as error:
            raise hostile(archive, f"it is not a sound tar file: {error}") from error


def _members(reader: tarfile.TarFile, archive: Path, most: int) -> Iterator[_File]:
    """One file after the other, within the limits. most: bytes of all together."""
    total = 0
    for members, member in enumerate(reader, 1):
        total += member.size
        if members > MAX_FILES or total > most:
            raise hostile(archive, f"it announces {members} files of {human(total)}")
        if member.isreg() and (file := reader.extractfile(member)):
            yield check_name(archive, member.name), member, file


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while data := file.read(1 << 20):
        yield data
