"""A blob while it is written: hashed as it comes, with the error of a user's interruption that every long write shares."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from mlstack.artifacts.disk import guard
from mlstack.core.errors import MlstackError

CHUNK = 1 << 20
"""Bytes read or written at once."""


def mismatch(what: str, expected: str, found: str) -> MlstackError:
    """The error of content that is not what was pinned; both sides are named."""
    return MlstackError(
        "download.hash-mismatch",
        f"{what} is not what is pinned",
        why=f"expected {expected}, got {found}",
        remedy="do not use it; try another mirror or source, and if it stays so tell the recipe's maintainer",
    )


class BlobWriter:
    """Takes the bytes of one new blob; only ``commit`` makes it part of the store."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """Digest of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> int:
        """Appends bytes. Raises disk.full and kin."""
        with guard(self._path, len(data)):
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)
