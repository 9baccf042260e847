"""Reads zip archives from outside without trusting them: no path leaves the archive, no bomb fills memory or disk. Tars: untar."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlstack.artifacts.disk import guard
from mlstack.core.disk import human
from mlstack.core.errors import MlstackError

_NOTHING = re.compile("(?!)")
MAX_FILES = 200_000
MAX_TOTAL = 2 << 30
"""Uncompressed bytes; the largest legitimate archive (a Go toolchain) unpacks to 250 MB."""
MAX_MEMBER = 64 << 20
"""Bytes of a member that is read into memory."""


def hostile(archive: Path, why: str) -> MlstackError:
    """The error for an archive that no honest tool wrote."""
    return MlstackError(
        "artifact.hostile-archive",
        f"The archive {archive.name} was refused",
        why=why,
        remedy="do not use it; delete it and fetch it again from a source you trust",
    )


def check_name(archive: Path, name: str) -> str:
    """A member's path if it stays inside the archive. Raises artifact.hostile-archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise hostile(archive, f"member '{name[:200]}' leads out of it")
    return str(path)


def write_member(archive: Path, path: Path, content: Iterable[bytes], executable: bool) -> None:
    """Writes a member's content to a path that no other member had. Raises artifact.hostile-archive, disk.*."""
    with guard(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise hostile(archive, f"it holds '{path.name}' twice")
        with path.open("xb") as file:
            for data in content:
                file.write(data)
        path.chmod(0o755 if executable else 0o644)


class ZipReader:
    """Members of a zip file by name; every size is bounded by what was announced and by our limits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with guard(path):
                self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise hostile(path, f"it is not a sound zip file: {error}") from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        total = sum(info.file_size for info in infos)
        if len(infos) > MAX_FILES or total > MAX_TOTAL:
            raise hostile(path, f"it announces {len(infos)} files of {human(total)}")
        if any("\\" in info.filename for info in infos):
            raise hostile(path, "a member's name holds a backslash")
        self._members = {check_name(path, info.filename): info for info in infos}
        if len(self._members) != len(infos):
            raise hostile(path, "it holds the same name twice")

    def names(self) -> list[str]:
        """Every file's path, sorted."""
        return sorted(self._members)

    def executable(self, name: str) -> bool:
        """True when the member's Unix mode has an execute bit."""
        return bool(self._members[name].external_attr >> 16 & 0o111)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes; more than announced, or a wrong checksum, is an error."""
        info = self._members[name]
        left = info.file_size
        try:
            with self._zip.open(info) as file:
                while data := file.read(1 << 20):
                    left -= len(data)
                    if left < 0:
                        raise hostile(self._path, f"member '{name}' is longer than announced")
                    yield data
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise hostile(self._path, f"member '{name}' is damaged: {error}") from error
        except Exception as error:
            if type(error).__module__ == "zlib":
                raise hostile(self._path, f"member '{name}' is damaged: {error}") from error
            raise

    def read(self, name: str) -> bytes:
        """A member's content. Raises artifact.hostile-archive beyond 64 MiB."""
        if self._members[name].file_size > MAX_MEMBER:
            raise hostile(self._path, f"member '{name}' has {human(self._members[name].file_size)}")
        return b"".join(self.chunks(name))

    def extract(self, target: Path, prefix: str = "", without: re.Pattern[str] = _NOTHING) -> int:
        """Writes the members below ``prefix`` into ``target`` without the prefix; execute bits are kept.

        without: matches paths (without the prefix) that are left out. Gives the number of files.
        """
        count = 0
        for name in self.names():
            if not name.startswith(prefix) or without.fullmatch(name[len(prefix) :]):
                continue
            count += 1
            write_member(self._path, target / name[len(prefix) :], self.chunks(name), self.executable(name))
        return count

    def close(self) -> None:
        """Closes the file."""
        self._zip.close()


@contextmanager
def open_zip(path: Path) -> Iterator[ZipReader]:
    """A zip reader closed after the block."""
    reader = ZipReader(path)
    try:
        yield reader
    finally:
        reader.close()
