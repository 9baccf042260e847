"""Files that commands make in a Debian root that is thrown away: compilers and what they need stay out of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from mlstack.artifacts.debian import Debian
from mlstack.artifacts.disk import guard, make_directory, temporary_name
from mlstack.artifacts.layer import entries_of, write_tar
from mlstack.artifacts.npm import NpmInstaller
from mlstack.artifacts.tree import LayerEntry, Tree
from mlstack.artifacts.trees import remove_tree
from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.ports import Cancelled
from mlstack.core.recipe import Archive, Compiled

Archives = Callable[[], Sequence[tuple[Archive, Path]]]
"""Gives the archives of a root with where they are on disk."""
_NODE = ("bin/node", "include/*", "lib/*")
"""What of the toolchain commands need: the program, the headers, and npm with its node-gyp."""


class Compiler:
    """Carries out ``Compiled`` recipes. work: where what is put into a root is written for a while."""

    def __init__(self, debian: Debian, npm: NpmInstaller, work: Path) -> None:
        self._debian = debian
        self._npm = npm
        self._work = work

    def inputs(self, recipe: Compiled) -> list[object]:
        """All that the content depends on beside the recipe and its archives. Raises npm.no-lock."""
        locks = [self._npm.lock_digest(one) for one in recipe.npm]
        return [*locks, self._npm.node_version()] if locks else []

    @contextmanager
    def made(
        self, recipe: Compiled, archives: Archives, line: Callable[[str], None], cancelled: Cancelled
    ) -> Iterator[list[LayerEntry]]:
        """The entries that are taken; their content lives as long as the block. archives: fetches those of the root.

        Raises debian.*, npm.*, wheel.*, artifact.bad-recipe, disk.*, run.interrupted.
        """
        with ExitStack() as stack:
            work = make_directory(temporary_name(make_directory(self._work), "compiled"))
            stack.callback(remove_tree, work)
            tars = self._tars(recipe, work, line, cancelled)
            yield taken(stack.enter_context(self._debian.root(recipe.root, line, cancelled, archives(), tars)), recipe)

    def _tars(self, recipe: Compiled, work: Path, line: Callable[[str], None], cancelled: Cancelled) -> list[Path]:
        """What npm installs, and Node.js, as tars for the root."""
        tars: list[Path] = []

        def add(entries: Sequence[LayerEntry]) -> None:
            tars.append(work / f"{len(tars)}.tar")
            with guard(tars[-1]), tars[-1].open("xb") as file:
                write_tar(Tree().place(entries), file.write, cancelled)

        for one in recipe.npm:
            with self._npm.installed(one, line, cancelled) as entries:
                add(entries)
        if recipe.npm:
            node = self._npm.node(cancelled)
            parts = [path for glob in _NODE for path in sorted(node.glob(glob))]
            add([entry for path in parts for entry in _below(path, f"{recipe.node}/{path.relative_to(node)}")])
        return tars


def taken(entries: Sequence[LayerEntry], recipe: Compiled) -> list[LayerEntry]:
    """The entries that the recipe takes, where it wants them. Raises artifact.bad-recipe for a path that is not there."""
    found: list[LayerEntry] = []
    for origin, target in recipe.take.items():
        start, to = origin.strip("/"), target.strip("/")
        inside = [one for one in entries if one.path == start or one.path.startswith(f"{start}/")]
        if not inside:
            near = [f"/{one.path}" for one in entries if one.path.count("/") <= start.count("/")]
            raise MlstackError(
                "artifact.bad-recipe",
                f"The commands of the recipe made no '{origin}'",
                why=did_you_mean(origin, near) if len(near) < 2000 else "",
                remedy="correct the recipe",
            )
        for one in inside:
            link = f"{to}{one.target[len(start) :]}" if one.kind == "hard" else one.target
            found.append(replace(one, path=f"{to}{one.path[len(start) :]}", target=link))
    return found


def _below(path: Path, to: str) -> list[LayerEntry]:
    if path.is_dir():
        return entries_of(path, to)
    return [LayerEntry(to.strip("/"), mode=0o755, content=(path,))]
