"""What an ``OSError`` of a write means for the user: full, read-only or failing disks, as MlstackError. Pure."""

from __future__ import annotations

import errno
from pathlib import Path

from mlstack.core.errors import MlstackError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def human(size: float) -> str:
    """A byte count for people, in powers of 1024: ``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def disk_error(error: OSError, path: Path, need: int = 0) -> MlstackError:
    """The MlstackError for a failed write at ``path``. need: bytes that were still to be written, 0 unknown.

    Codes: disk.full, disk.read-only, disk.denied, disk.failed.
    """
    wanted = f"; about {human(need)} more are needed there" if need else ""
    if error.errno in _FULL:
        return MlstackError(
            "disk.full",
            f"No space left while writing {path}",
            why=f"the file system or quota is full{wanted}",
            remedy="free space (`mlstack images prune` trims build caches), then repeat the command: it resumes",
        )
    if error.errno == errno.EROFS:
        return MlstackError(
            "disk.read-only",
            f"Cannot write {path}",
            why="the file system is mounted read-only",
            remedy="remount it writable, or choose other paths in the configuration (paths.cache, paths.state)",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return MlstackError(
            "disk.denied",
            f"Cannot write {path}",
            why=error.strerror or "permission denied",
            remedy="run as the user who owns that directory, or choose another path in the configuration",
        )
    return MlstackError(
        "disk.failed",
        f"Reading or writing {path} failed",
        why=f"{error.strerror or error}{wanted}",
        remedy="check the disk (kernel log, free space), then repeat the command: it resumes",
    )
