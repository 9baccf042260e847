"""Writes that are whole or absent: temporary file, fsync, rename; a failing disk becomes one clear MlstackError."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlstack.core.disk import disk_error


@contextmanager
def guard(path: Path, need: int = 0) -> Iterator[None]:
    """Turns an OSError of the block into disk.full, disk.read-only ... naming ``path`` and the bytes needed."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, Path(error.filename) if isinstance(error.filename, str) else path, need) from error


def make_directory(path: Path) -> Path:
    """Makes a private directory (0700), its missing parents too; returns it. Raises disk.*."""
    if not path.is_dir():
        if path.parent != path:
            make_directory(path.parent)
        with guard(path):
            path.mkdir(exist_ok=True, mode=0o700)
    return path


def sync_directory(path: Path) -> None:
    """Makes a rename in ``path`` survive a power cut; file systems that cannot are left alone."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def temporary_name(directory: Path, what: str = "part") -> Path:
    """A new name below ``directory`` that tells which process made it, so that leftovers can be recognised."""
    return directory / f"{what}.{os.getpid()}.{secrets.token_hex(6)}"


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replaces ``path`` by ``data``: readers see the old or the new file, never a part. Raises disk.*."""
    make_directory(path.parent)
    part = temporary_name(path.parent, f".{path.name}")
    with guard(path, len(data)):
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    sync_directory(path.parent)


def owner_is_gone(name: str) -> bool:
    """True when a temporary name's process (see ``temporary_name``) no longer exists."""
    parts = name.split(".")
    if len(parts) < 3 or not parts[-2].isdigit():
        return False
    try:
        os.kill(int(parts[-2]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
