"""Turns a root file system's tar into layer entries that do not depend on when and where it was made."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlstack.artifacts.disk import guard
from mlstack.artifacts.tree import LayerEntry, Slice
from mlstack.artifacts.zips import check_name, hostile

_DROPPED = [
    "dev/*",
    "proc/*",
    "sys/*",
    "run/*",
    "tmp/*",
    "var/tmp/*",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/*-",
    "var/cache/apt/*",
    "var/cache/debconf/*",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/lib/systemd/catalog/database",
    "var/lib/systemd/random-seed",
    "**/__pycache__",
]
_EMPTIED = {"etc/machine-id", "var/lib/dbus/machine-id"}
"""Files that a first boot fills; they stay, empty."""
_KINDS = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard"}


def glob_expression(pattern: str) -> str:
    """A glob over paths in an image as a regular expression that also matches all below; ``*`` stays in a directory."""
    out = ""
    for token in re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/")):
        out += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token) or re.escape(token)
    return f"{out}(?:/.*)?"


def matcher(patterns: Sequence[str]) -> re.Pattern[str]:
    """One expression for many globs."""
    return re.compile("|".join(glob_expression(pattern) for pattern in patterns) or r"(?!)", re.DOTALL)


def root_entries(tar: Path, remove: Sequence[str] = ()) -> Iterator[LayerEntry]:
    """Entries of an uncompressed root tar, without devices, logs, caches, host names and what ``remove`` (globs) names.

    Contents are slices of the tar, which must stay until the layer is written. Raises artifact.hostile-archive, disk.*.
    """
    dropped = matcher([*_DROPPED, *remove])
    logs = matcher(["var/log/*"])
    with guard(tar), tarfile.open(tar, "r:") as archive:
        for member in archive:
            name = member.name.removeprefix("./").rstrip("/")
            if name in ("", "."):
                continue
            check_name(tar, name)
            if dropped.fullmatch(name) or (logs.fullmatch(name) and not member.isdir()) or member.isdev():
                continue
            yield _entry(tar, name, member)


def _entry(tar: Path, name: str, member: tarfile.TarInfo) -> LayerEntry:
    kind = _KINDS.get(member.type, "file")
    if kind == "file" and not member.isreg():
        raise hostile(tar, f"member '{name}' is of an unknown type")
    attributes = tuple(
        sorted(
            (key.removeprefix("SCHILY.xattr."), value) for key, value in member.pax_headers.items() if "xattr" in key
        )
    )
    content = (Slice(tar, member.offset_data, member.size),) if kind == "file" and name not in _EMPTIED else ()
    target = member.linkname.removeprefix("./") if kind == "hard" else member.linkname
    return LayerEntry(
        name,
        kind,  # type: ignore[arg-type]
        member.mode & 0o7777,
        member.uid,
        member.gid,
        content,
        target if kind in ("link", "hard") else "",
        attributes,
    )
