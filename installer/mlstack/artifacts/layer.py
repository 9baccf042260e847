"""Writes one image layer: a tar with sorted entries, fixed times and owners, so that the same inputs give the same digest."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlstack.artifacts.blobs import CHUNK
from mlstack.artifacts.deflate import GzipWriter
from mlstack.artifacts.disk import guard
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import Content, LayerEntry, Slice, Tree
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"
_TYPES = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store. diff_id: digest of the uncompressed tar; tree: digest of the listing of it and all below."""

    digest: str
    size: int
    diff_id: str
    media_type: str
    tree: str


def content_size(content: Sequence[Content]) -> int:
    """Bytes of an entry's parts. Raises disk.* when a file is not there."""
    return sum(_part_size(part) for part in content)


def _part_size(part: Content) -> int:
    if isinstance(part, bytes):
        return len(part)
    if isinstance(part, Slice):
        return part.size
    with guard(part):
        return part.stat().st_size


def chunks(part: Content) -> Iterator[bytes]:
    """The bytes of one part in pieces of at most 1 MiB. Raises artifact.changed when a file is shorter than it was."""
    if isinstance(part, bytes):
        yield part
        return
    path, offset, left = (part.path, part.offset, part.size) if isinstance(part, Slice) else (part, 0, _part_size(part))
    with guard(path), path.open("rb") as file:
        file.seek(offset)
        while left:
            data = file.read(min(CHUNK, left))
            if not data:
                raise MlstackError("artifact.changed", f"{path} changed while it was read", remedy="repeat the command")
            left -= len(data)
            yield data


def header(entry: LayerEntry) -> bytes:
    """The tar header (PAX where the name or attributes need it) of an entry: no time, no names of owners."""
    info = tarfile.TarInfo(entry.path + ("/" if entry.kind == "dir" else ""))
    info.type = _TYPES[entry.kind]
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, 0
    info.size = content_size(entry.content) if entry.kind == "file" else 0
    info.linkname = entry.target if entry.kind in ("link", "hard") else ""
    info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in entry.xattrs}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def write_tar(
    entries: Iterable[LayerEntry], sink: Callable[[bytes], object], cancelled: Cancelled = lambda: False
) -> None:
    """Writes placed entries as a tar stream, in their order. Raises run.interrupted."""
    for entry in entries:
        if cancelled():
            raise interrupted("writing an image layer")
        sink(header(entry))
        if entry.kind != "file":
            continue
        size = 0
        for part in entry.content:
            for data in chunks(part):
                sink(data)
                size += len(data)
        sink(b"\0" * (-size % tarfile.BLOCKSIZE))
    sink(b"\0" * (2 * tarfile.BLOCKSIZE))


def write_layer(
    store: Store,
    entries: Iterable[LayerEntry],
    below: Tree,
    *,
    compress: bool = True,
    cancelled: Cancelled = lambda: False,
) -> Layer:
    """Stores a layer made of ``entries`` over ``below`` (which then holds them too); what it hides is an error.

    compress: gzip; false for content that is compressed already. Raises artifact.layer-conflict, disk.*, run.interrupted.
    """
    placed = below.place(entries)
    plain = hashlib.sha256()
    with store.new_blob() as blob:
        gzip = GzipWriter(blob.write) if compress else None

        def sink(data: bytes) -> None:
            plain.update(data)
            if gzip:
                gzip.write(data)
            else:
                blob.write(data)

        try:
            write_tar(placed, sink, cancelled)
            if gzip:
                gzip.close()
        finally:
            if gzip:
                gzip.abort()
    tree = store.add_bytes(below.to_bytes())
    return Layer(blob.digest, blob.size, f"sha256:{plain.hexdigest()}", GZIP if compress else PLAIN, tree)


def entries_of(directory: Path, to: str, *, owner: tuple[int, int] = (0, 0)) -> list[LayerEntry]:
    """Entries of a whole directory on disk, below ``to`` in the image; modes kept except write bits of group and others."""
    found = []
    for path in sorted(directory.rglob("*")):
        name = f"{to.strip('/')}/{path.relative_to(directory).as_posix()}".lstrip("/")
        uid, gid = owner
        if path.is_symlink():
            found.append(LayerEntry(name, "link", 0o777, uid, gid, target=str(path.readlink())))
        elif path.is_dir():
            found.append(LayerEntry(name, "dir", 0o755, uid, gid))
        else:
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            found.append(LayerEntry(name, "file", mode, uid, gid, (path,)))
    return found
