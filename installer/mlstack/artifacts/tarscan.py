"""Walks through a tar of unknown origin with bounded memory: names, types and sizes are judged before anything is used."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from mlstack.artifacts.zips import MAX_FILES, check_name, hostile
from mlstack.core.disk import human

MAX_READ = 8 << 20
"""Bytes read at once at most: extended headers of honest archives are far smaller."""
MAX_LAYER = 32 << 30
MAX_RATIO = 300
"""Uncompressed bytes for each compressed one beyond which a layer of more than 1 GiB is a bomb; honest layers have 2 to 20."""


class ForwardReader:
    """A readable that never reads much at once and never beyond a limit; ``seek`` only goes forward."""

    def __init__(self, file: IO[bytes], archive: Path, limit: int) -> None:
        self._file = file
        self._archive = archive
        self._limit = limit
        self._position = 0

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes. Raises artifact.hostile-archive for absurd sizes and beyond the limit."""
        if size < 0 or size > MAX_READ:
            raise hostile(self._archive, f"a header in it claims {human(size)}")
        data = self._file.read(size)
        self._position += len(data)
        if self._position > self._limit:
            raise hostile(self._archive, f"it unpacks to more than {human(self._limit)}")
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        """Skips forward to ``position``; the content is read and thrown away, so that limits and checksums hold."""
        if whence != 0 or position < self._position:
            raise hostile(self._archive, "its headers contradict each other")
        while self._position < position:
            if not self.read(min(1 << 20, position - self._position)):
                break
        return self._position


def members(file: IO[bytes], archive: Path, limit: int = MAX_LAYER) -> Iterator[tarfile.TarInfo]:
    """Members of an uncompressed tar stream, one after the other. Raises artifact.hostile-archive for any damage."""
    try:
        reader = cast(IO[bytes], ForwardReader(file, archive, limit))
        with tarfile.TarFile(fileobj=reader, mode="r", errorlevel=2) as tar:
            count = 0
            while (member := tar.next()) is not None:
                count += 1
                if count > MAX_FILES or member.size < 0:
                    raise hostile(archive, "it has too many members")
                tar.members = []  # type: ignore[attr-defined]
                yield member
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise hostile(archive, f"it is damaged: {error}") from error


def check_layer(path: Path, file: IO[bytes], size: int, *, compressed: bool) -> None:
    """Reads a layer to its end: its names stay inside, it is no bomb, it is whole. Raises artifact.hostile-archive."""
    limit = max(1 << 30, min(MAX_LAYER, size * MAX_RATIO)) if compressed else MAX_LAYER
    stream: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if compressed else file
    for member in members(stream, path, limit):
        if member.name.strip("./"):
            check_name(path, member.name.lstrip("/") if member.name.startswith("./") else member.name)
        if member.islnk():
            check_name(path, member.linkname)
