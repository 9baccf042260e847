"""What the catalogue holds, as seen by pure code: entries and the protocol of a lazy reader. Reading files is an adapter's work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mlstack.core.releasefile import Release
from mlstack.core.samplefile import Sample
from mlstack.core.stackfile import Patch, Stack


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a stack or addon with the texts beside it.

    directory: relative to the data root, for messages; templates: path in the directory -> text, sorted by path.
    """

    document: Stack
    directory: str
    templates: Mapping[str, str] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.document.metadata.name

    @property
    def version(self) -> str:
        """The stack's version."""
        return self.document.metadata.version

    @property
    def is_addon(self) -> bool:
        """True for what is off unless asked for."""
        return self.document.kind == "Addon"

    def place(self, file: str) -> str:
        """How messages name a file of this entry."""
        return f"{self.directory}/{file}"


class Catalogue(Protocol):
    """The shipped data. Only what is asked for is read."""

    def names(self) -> Sequence[str]:
        """Every stack and addon."""
        ...

    def versions(self, name: str) -> Sequence[str]:
        """Versions of a stack, oldest first; empty when it is unknown."""
        ...

    def entry(self, name: str, version: str) -> Entry:
        """One entry. Raises Problems with file and line when a file of it is not valid."""
        ...

    def releases(self) -> Sequence[str]:
        """Names of the releases, oldest first."""
        ...

    def release(self, name: str) -> Release:
        """One release. Raises Problems as ``entry`` does."""
        ...
