"""An image of the catalogue with what its recipe refers to: files beside the stack file and the stack's sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlstack.artifacts.disk import guard
from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.recipe import DebianRoot, Image
from mlstack.core.stackfile import Source


@dataclass(frozen=True, slots=True)
class ImageContext:
    """An image of the catalogue with what its recipe refers to.

    directory: where ``file:`` entries are; sources: what ``source:`` entries name; preload: refs of images whose archive
    the image holds at ``preload_to`` (a node image). rank: which compiles first, lower before higher.
    """

    image: Image
    directory: Path
    sources: Mapping[str, Source] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    preload_to: str = ""
    rank: int = 100


def beside(context: ImageContext, name: str) -> bytes:
    """A file beside the stack file. Raises artifact.bad-recipe."""
    base = context.directory.resolve()
    path = (context.directory / name).resolve()
    if not path.is_relative_to(base) or not path.is_file():
        raise MlstackError(
            "artifact.bad-recipe",
            f"The recipe of {context.image.ref} names a file '{name}' that is not there",
            why=f"looked in {context.directory}",
            remedy="correct the recipe",
        )
    with guard(path):
        return path.read_bytes()


def root_inputs(root: DebianRoot, context: ImageContext) -> list[object]:
    """All that a Debian root's content depends on, as far as it is pinned. Raises artifact.bad-recipe."""
    found = [source_of(context, archive.source) for archive in root.archives]
    return [root, *(source.h1 or source.sha256 for source in found)]


def named_source(context: ImageContext, text: str) -> tuple[Source, str]:
    """``name:path`` as the source and the path in it. Raises artifact.bad-recipe."""
    name, _, path = text.partition(":")
    return source_of(context, name if path else text), path


def source_of(context: ImageContext, name: str) -> Source:
    """One of the stack's sources. Raises artifact.bad-recipe."""
    if name not in context.sources:
        raise MlstackError(
            "artifact.bad-recipe",
            f"The recipe of {context.image.ref} names a source '{name}'",
            why=did_you_mean(name, list(context.sources)) or "it has no sources",
            remedy="name one of the stack's sources; a file of it as <source name>:<path inside it>",
        )
    return context.sources[name]
