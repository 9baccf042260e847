"""What lower layers hold: directories, links and files by path, so that an upper layer never hides what lies below.

A ``bin`` directory written over a merged-usr root's ``bin -> usr/bin`` symlink would hide /bin/sh from the whole image:
paths are therefore led through the symlinks of the layers below before they are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mlstack.core.errors import MlstackError

_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a file on disk: the content of a member of an uncompressed tar."""

    path: Path
    offset: int
    size: int


Content = bytes | Path | Slice
"""Where an entry's bytes come from; a sequence of them is their concatenation."""


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One entry of a layer. path: without a leading slash; mode: permission bits; target: of a link or hard link.

    content: parts written one after the other; xattrs: extended attributes by name (file capabilities).
    """

    path: str
    kind: Literal["file", "dir", "link", "hard"] = "file"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: tuple[Content, ...] = ()
    target: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()


def clean(path: str) -> str:
    """A path inside an image without leading slash. Raises artifact.bad-path for ``..`` or an empty path."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or not parts or "\0" in path:
        raise MlstackError("artifact.bad-path", f"'{path}' is not a path inside an image", remedy="correct the recipe")
    return "/".join(parts)


@dataclass(slots=True)
class Tree:
    """Paths of all lower layers. dirs: directories; links: symlink -> target; files: everything else."""

    dirs: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def resolve(self, path: str, *, last: bool) -> str:
        """The real path: symlinks of its parents (and of itself when ``last``) followed, inside the image's root.

        Raises artifact.layer-loop for symlink loops, artifact.layer-conflict where a parent is a file.
        """
        done: list[str] = []
        todo = [part for part in path.split("/") if part]
        follows = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([*done, part])
            if here in self.links and (todo or last):
                follows += 1
                if follows > _MAX_LINKS:
                    raise MlstackError(
                        "artifact.layer-loop", f"/{path} leads through a loop of links", remedy="correct the recipe"
                    )
                target = self.links[here]
                done = [] if target.startswith("/") else done
                todo = [step for step in target.split("/") if step not in ("", ".")] + todo
                continue
            if here in self.files and todo:
                raise _conflict(path, f"/{here} below it is a file, not a directory")
            done.append(part)
        return "/".join(done)

    def place(self, entries: Iterable[LayerEntry]) -> list[LayerEntry]:
        """The entries as they must be written: paths resolved, missing parents added, sorted; the tree then holds them too."""
        placed: dict[str, LayerEntry] = {}
        for entry in sorted(entries, key=lambda each: (each.kind not in ("dir", "link"), each.path)):
            path = self.resolve(clean(entry.path), last=entry.kind == "dir")
            self._check(entry, path, placed.get(path))
            self._add_parents(path, placed)
            target = self.resolve(clean(entry.target), last=False) if entry.kind == "hard" else entry.target
            placed[path] = replace(entry, path=path, target=target)
            self._note(placed[path])
        return sorted(placed.values(), key=lambda each: (each.kind == "hard", each.path))

    def to_bytes(self) -> bytes:
        """The form kept in the store."""
        body = {"dirs": sorted(self.dirs), "links": dict(sorted(self.links.items())), "files": sorted(self.files)}
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Tree:
        """Reads what ``to_bytes`` wrote."""
        body = json.loads(data)
        return cls(set(body["dirs"]), dict(body["links"]), set(body["files"]))

    def _check(self, entry: LayerEntry, path: str, other: LayerEntry | None) -> None:
        if other is not None and not (entry.kind == "dir" and other.kind == "dir"):
            raise _conflict(path, "two entries of one layer claim it")
        if entry.kind != "dir" and path in self.dirs:
            raise _conflict(path, "a directory of that name is below and would be hidden")
        if entry.kind == "dir" and path in self.files:
            raise _conflict(path, "a file of that name is below and would be hidden")

    def _add_parents(self, path: str, placed: dict[str, LayerEntry]) -> None:
        for parent in reversed(PurePosixPath(path).parents):
            name = str(parent)
            if name != "." and name not in self.dirs:
                placed[name] = LayerEntry(name, "dir", 0o755)
                self.dirs.add(name)

    def _note(self, entry: LayerEntry) -> None:
        self.links.pop(entry.path, None)
        self.files.discard(entry.path)
        if entry.kind == "dir":
            self.dirs.add(entry.path)
        elif entry.kind == "link":
            self.links[entry.path] = entry.target
        else:
            self.files.add(entry.path)


def _conflict(path: str, why: str) -> MlstackError:
    return MlstackError(
        "artifact.layer-conflict",
        f"/{path} cannot be written into the image",
        why=why,
        remedy="correct the image's recipe",
    )
