"""The content-addressed store: blobs by sha256 (OCI layout) and index entries by recipe key. Nothing half-written is ever seen.

Several processes share one store: writes are atomic, builds of the same key exclude each other by a file lock.
What is read is verified; a damaged entry is dropped with a warning, so that its caller makes it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstack.artifacts.blobs import CHUNK, BlobWriter, mismatch
from mlstack.artifacts.disk import guard, make_directory, sync_directory, temporary_name, write_atomically
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled

_ENTRY_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What one recipe key leads to.

    kind: image, layer, program or tool; digest: its main blob (of an image: the manifest); blobs: every blob it needs
    with its size in bytes; data: facts of the kind (diff id, tree, ref ...); seconds: what making it took.
    """

    key: str
    kind: str
    digest: str
    blobs: Mapping[str, int]
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all its blobs as stored."""
        return sum(self.blobs.values())


class Store:
    """The store below one directory. warn: takes a line for the user when something damaged was dropped."""

    def __init__(self, root: Path, warn: Callable[[str], None] = lambda _text: None) -> None:
        self.root = root
        self.warn = warn
        self._verified: dict[str, tuple[int, int, int]] = {}

    def blob(self, digest: str) -> Path:
        """Where a blob is or would be. Raises store.bad-digest for anything that is not a sha256 digest."""
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise MlstackError(
                "store.bad-digest", f"'{digest[:80]}' is not a sha256 digest", remedy="use another source"
            )
        return self.root / "blobs" / "sha256" / value

    def _index(self, key: str) -> Path:
        return self.root / "index" / f"{key}.json"

    @contextmanager
    def lock(self, key: str, cancelled: Cancelled = lambda: False) -> Iterator[None]:
        """Holds the lock of one key over all threads and processes. Raises run.interrupted."""
        from filelock import FileLock, Timeout

        directory = make_directory(self.root / "locks")
        lock = FileLock(directory / f"{key}.lock", thread_local=False, mode=0o600)
        with guard(directory):
            try:
                lock.acquire(cancel_check=cancelled)
            except Timeout as error:
                raise interrupted("waiting for another build of the same thing") from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def new_blob(self, expected: str = "") -> Iterator[BlobWriter]:
        """A writer whose blob is committed when the block ends without an error; otherwise nothing remains.

        expected: the digest it must have. Raises download.hash-mismatch, disk.*.
        """
        part = temporary_name(make_directory(self.root / "tmp"))
        try:
            with guard(part), part.open("xb") as file:
                writer = BlobWriter(file, part)
                yield writer
                file.flush()
                os.fsync(file.fileno())
            if expected and writer.digest != expected:
                raise mismatch("A blob", expected, writer.digest)
            self.adopt(part, writer.digest)
        finally:
            part.unlink(missing_ok=True)

    def adopt(self, part: Path, digest: str) -> None:
        """Moves a finished file of known digest into the store; the caller has verified it."""
        target = self.blob(digest)
        make_directory(target.parent)
        with guard(target):
            part.chmod(0o600)
            part.replace(target)
        sync_directory(target.parent)

    def add_bytes(self, data: bytes) -> str:
        """Stores a small blob, returns its digest."""
        with self.new_blob() as writer:
            writer.write(data)
        return writer.digest

    def add_file(self, path: Path) -> tuple[str, int]:
        """Copies a file into the store; returns digest and size in bytes."""
        with self.new_blob() as writer, guard(path), path.open("rb") as file:
            while data := file.read(CHUNK):
                writer.write(data)
        return writer.digest, writer.size

    def read_bytes(self, digest: str) -> bytes:
        """A small blob, verified. Raises store.damaged."""
        path = self.blob(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _damaged(digest, "it cannot be read") from error
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            path.unlink(missing_ok=True)
            raise _damaged(digest, "its content does not match its digest")
        return data

    def put(self, entry: Entry) -> None:
        """Records an entry; all of its blobs must be there."""
        body = {
            "version": _ENTRY_VERSION,
            "key": entry.key,
            "kind": entry.kind,
            "digest": entry.digest,
            "blobs": dict(entry.blobs),
            "data": dict(entry.data),
            "seconds": entry.seconds,
        }
        text = json.dumps(body, sort_keys=True)
        check = hashlib.sha256(text.encode()).hexdigest()
        write_atomically(self._index(entry.key), f"{check}\n{text}\n".encode())

    def peek(self, key: str) -> Entry | None:
        """The entry if its record is sound and its blobs have the right sizes (cheap: no hashing)."""
        path = self._index(key)
        try:
            entry = _parse(path.read_bytes(), key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self._drop(key, "its record is damaged")
            return None
        for digest, size in entry.blobs.items():
            if not self._has(digest, size):
                self._drop(key, f"blob {digest[:19]} is missing or cut")
                return None
        return entry

    def get(self, key: str) -> Entry | None:
        """The entry with every blob's hash verified (once a process unless the file changed)."""
        entry = self.peek(key)
        if entry is None:
            return None
        for digest in entry.blobs:
            if not self._sound(digest):
                self.blob(digest).unlink(missing_ok=True)
                self._drop(key, f"blob {digest[:19]} does not match its digest")
                return None
        return entry

    def entries(self) -> list[Entry]:
        """Every sound entry, sorted by key."""
        keys = sorted(path.stem for path in (self.root / "index").glob("*.json"))
        return [entry for key in keys if (entry := self.peek(key)) is not None]

    def forget(self, key: str) -> None:
        """Removes an entry; its blobs stay until ``prune``."""
        with guard(self._index(key)):
            self._index(key).unlink(missing_ok=True)

    def _drop(self, key: str, why: str) -> None:
        self.warn(f"store entry {key[:12]} was dropped and will be made again: {why}")
        self.forget(key)

    def _has(self, digest: str, size: int) -> bool:
        try:
            return self.blob(digest).stat().st_size == size
        except OSError:
            return False

    def _sound(self, digest: str) -> bool:
        path = self.blob(digest)
        try:
            stat = path.stat()
            mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if self._verified.get(digest) == mark:
                return True
            with path.open("rb") as file:
                value = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        if f"sha256:{value}" != digest:
            return False
        self._verified[digest] = mark
        return True


def _parse(raw: bytes, key: str) -> Entry:
    check, _, text = raw.decode().rstrip("\n").partition("\n")
    if hashlib.sha256(text.encode()).hexdigest() != check:
        raise ValueError("checksum")
    body = json.loads(text)
    if body["version"] != _ENTRY_VERSION or body["key"] != key:
        raise ValueError("version")
    return Entry(key, body["kind"], body["digest"], body["blobs"], body["data"], body["seconds"])


def _damaged(digest: str, why: str) -> MlstackError:
    return MlstackError(
        "store.damaged",
        f"Blob {digest} of the store is damaged",
        why=why,
        remedy="repeat the command: it is made again",
    )
