"""The bundle backend: an offline OCI layout, a directory or a tar file, verified whole before a byte reaches the store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from mlstack.artifacts.blobs import CHUNK, mismatch
from mlstack.artifacts.disk import guard
from mlstack.artifacts.reference import parse_reference
from mlstack.artifacts.registry import INDEXES, MAX_MANIFEST, bad_manifest, manifest_blobs, parse_document
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.tarscan import check_layer, members
from mlstack.artifacts.zips import hostile
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import fingerprint

_ALLOWED = re.compile(
    r"^(?:\./)?(?:blobs(?:/sha256(?:/[0-9a-f]{64})?)?|index\.json|oci-layout|manifest\.json|repositories)?/?$"
)
_GZIP = ("tar+gzip", "tar.gzip")
Progress = Callable[[str, float, float, str], None]


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    offset: int
    size: int


class Layout:
    """One OCI layout on disk. Raises bundle.unreadable, artifact.hostile-archive when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = dict(_directory(path) if path.is_dir() else _tar(path))
        if "oci-layout" not in self._parts or "index.json" not in self._parts:
            raise _unreadable(path, "it has no oci-layout and index.json")

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """A member's stream, placed at its start, and its size. Raises bundle.incomplete."""
        part = self._parts.get(name)
        if part is None:
            raise MlstackError(
                "bundle.incomplete",
                f"The bundle {self.path.name} lacks {name}",
                remedy="fetch or make the bundle again",
            )
        with guard(part.path), part.path.open("rb") as file:
            file.seek(part.offset)
            yield file, part.size

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes."""
        with self.open(name) as (file, size):
            while size > 0 and (data := file.read(min(CHUNK, size))):
                size -= len(data)
                yield data

    def document(self, name: str) -> bytes:
        """A small member. Raises artifact.bad-manifest beyond 4 MiB."""
        with self.open(name) as (file, size):
            if size > MAX_MANIFEST:
                raise bad_manifest(f"{name} has {size} bytes")
            return file.read(size)

    def verify(self, digest: str, size: int) -> None:
        """Checks a blob's size and hash. Raises download.hash-mismatch naming both."""
        name = _blob(digest)
        with self.open(name) as (_, found):
            if found != size:
                raise mismatch(f"blob {digest} of {self.path.name}", f"{size} bytes", f"{found} bytes")
        total = hashlib.sha256()
        for data in self.chunks(name):
            total.update(data)
        if f"sha256:{total.hexdigest()}" != digest:
            raise mismatch(f"a blob of {self.path.name}", digest, f"sha256:{total.hexdigest()}")

    def names(self, architecture: str) -> dict[str, str]:
        """Image name -> manifest digest for an architecture."""
        found = {}
        for entry in _manifests(parse_document(self.document("index.json"))):
            notes = entry.get("annotations") or {}
            name = str(notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name") or "")
            digest = self._for(entry, architecture)
            try:
                if name and digest:
                    found[parse_reference(name).name] = digest
            except MlstackError:
                continue
        return found

    def _for(self, entry: Mapping[str, Any], architecture: str) -> str:
        digest = str(entry.get("digest", ""))
        if entry.get("mediaType") in INDEXES:
            inner = _manifests(parse_document(self.document(_blob(digest))))
            fitting = [each for each in inner if (each.get("platform") or {}).get("architecture") == architecture]
            return str(fitting[0]["digest"]) if fitting and "digest" in fitting[0] else ""
        platform = (entry.get("platform") or {}).get("architecture", architecture)
        return digest if platform == architecture else ""


class Bundles:
    """Looks images up in layouts, in order. A layout that cannot be read is an error when it is asked."""

    def __init__(self, paths: Sequence[Path], store: Store, architecture: str) -> None:
        self._paths = tuple(paths)
        self._store = store
        self._architecture = architecture
        self._read: dict[Path, tuple[Layout, dict[str, str]]] = {}

    def find(self, ref: str) -> tuple[Layout, str] | None:
        """The first layout that has an image, and the digest of its manifest. Raises bundle.*, artifact.*."""
        name = parse_reference(ref).name
        for path in self._paths:
            if path not in self._read:
                layout = Layout(path)
                self._read[path] = (layout, layout.names(self._architecture))
            layout, names = self._read[path]
            if name in names:
                return layout, names[name]
        return None

    def key(self, ref: str) -> str:
        """The store key of an image that some bundle has, else empty."""
        return fingerprint("pinned", found[1]) if (found := self.find(ref)) else ""

    def why_not(self) -> str:
        """Why there is no bundle for an image."""
        return f"none of {len(self._paths)} bundles has it" if self._paths else "no bundle is configured"

    def take(self, ref: str, progress: Progress, cancelled: Cancelled) -> Entry:
        """Verifies all of an image, then copies it into the store. Raises download.hash-mismatch, artifact.*, bundle.*, disk.*."""
        found = self.find(ref)
        if found is None:
            raise MlstackError(
                "bundle.no-image", f"No bundle has {ref}", why=self.why_not(), remedy="use another source"
            )
        layout, digest = found
        raw = layout.document(_blob(digest))
        layout.verify(digest, len(raw))
        manifest = parse_document(raw)
        blobs = manifest_blobs(manifest, ref)
        total = 2 * sum(blobs.values())
        done = 0
        for blob, size in blobs.items():
            self._check(layout, blob, size, manifest, cancelled)
            done += size
            progress("verifying the bundle", done, total, "B")
        for blob, size in blobs.items():
            self._copy(layout, blob, cancelled)
            done += size
            progress("copying from the bundle", done, total, "B")
        self._store.add_bytes(raw)
        key = fingerprint("pinned", digest)
        entry = Entry(key, "image", digest, {**blobs, digest: len(raw)}, {"ref": ref, "source": "bundle"})
        self._store.put(entry)
        return entry

    def _check(self, layout: Layout, digest: str, size: int, manifest: Mapping[str, Any], cancelled: Cancelled) -> None:
        if cancelled():
            raise interrupted("verifying the bundle")
        layout.verify(digest, size)
        layer = next((each for each in manifest["layers"] if each["digest"] == digest), None)
        if layer is None:
            return
        media = str(layer.get("mediaType", ""))
        compressed = media.endswith(_GZIP)
        if not compressed and not media.endswith(".tar"):
            raise bad_manifest(f"layers of type {media[:100]} are not supported")
        with layout.open(_blob(digest)) as (file, _):
            check_layer(layout.path, cast(IO[bytes], _Window(file, size)), size, compressed=compressed)

    def _copy(self, layout: Layout, digest: str, cancelled: Cancelled) -> None:
        if self._store.blob(digest).is_file():
            return
        with self._store.new_blob(digest) as writer:
            for data in layout.chunks(_blob(digest)):
                if cancelled():
                    raise interrupted("copying from the bundle")
                writer.write(data)


class _Window:
    """The part of a file that belongs to one member."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data


def _directory(path: Path) -> Iterator[tuple[str, _Part]]:
    for file in [path / "oci-layout", path / "index.json", *sorted((path / "blobs" / "sha256").glob("*"))]:
        if file.is_symlink():
            raise hostile(path, f"{file.name} is a symbolic link")
        if file.is_file():
            yield file.relative_to(path).as_posix(), _Part(file, 0, file.stat().st_size)


def _tar(path: Path) -> Iterator[tuple[str, _Part]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    with file:
        if file.read(2) == b"\x1f\x8b":
            raise _unreadable(path, "it is compressed; its blobs are compressed already")
        file.seek(0)
        size = path.stat().st_size
        for member in members(file, path, size + 1):
            if not _ALLOWED.match(member.name) or not (member.isreg() or member.isdir()):
                raise hostile(path, f"member '{member.name[:200]}' has no place in an OCI layout")
            if member.isreg():
                yield member.name.removeprefix("./"), _Part(path, member.offset_data, member.size)


def _blob(digest: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise bad_manifest(f"'{digest[:80]}' is not a sha256 digest")
    return f"blobs/sha256/{digest[7:]}"


def _manifests(index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = index.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_manifest("an index has no list of manifests")
    return entries


def _unreadable(path: Path, why: str) -> MlstackError:
    return MlstackError(
        "bundle.unreadable",
        f"The bundle {path} cannot be used",
        why=why,
        remedy="give an OCI layout: a directory, or an uncompressed tar of it (artifacts.bundles)",
    )
