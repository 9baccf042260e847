"""Whether a version of a stack fits: the cluster's Kubernetes, where images may come from, the versions beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlstack.core.catalogue import Catalogue, Entry
from mlstack.core.errors import ExitCode, MlstackError, Place
from mlstack.core.model import ImageSource
from mlstack.core.versions import newest, satisfies


def misfits(
    entry: Entry, entries: Sequence[Entry], kubernetes: str, source: ImageSource, place: Place | None
) -> list[MlstackError]:
    """Everything that keeps an entry from being chosen. source: ``artifacts.source``; place: where the user chose it."""
    return [*_kubernetes(entry, kubernetes, place), *_source(entry, source, place), *_beside(entry, entries, place)]


def from_registry_only(entry: Entry) -> bool:
    """Whether some image of the entry can be had from a registry only."""
    return entry.document.spec.availability == "registry"


def unnamed_version(catalogue: Catalogue, name: str) -> str:
    """The version of a stack that neither a release nor the user names: the newest that can be built, else the newest. The stack
    has versions."""
    versions = catalogue.versions(name)
    built = [version for version in versions if not from_registry_only(catalogue.entry(name, version))]
    return newest(built or versions)


def without_source(entry: Entry, why: str, place: Place | None = None) -> MlstackError:
    """The error for a stack with images from a registry only where no registry is asked, or none has them."""
    bare = [image.ref for image in entry.document.spec.images if not image.build]
    return MlstackError(
        "config.registry-only",
        f"images of stack {entry.name} {entry.version} can be had from a registry only",
        why=f"{', '.join(bare)} cannot be built; {why}",
        remedy=f"set artifacts.source to auto or registry where {_hosts(bare)} or a mirror (artifacts.mirrors) answers,"
        " give a bundle that holds the images (artifacts.bundle), or choose another version of the stack",
        place=place,
        exit_code=ExitCode.USAGE,
    )


def _hosts(refs: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(ref.partition("/")[0] for ref in refs))


def _kubernetes(entry: Entry, version: str, place: Place | None) -> Iterator[MlstackError]:
    constraint = entry.document.spec.kubernetes
    if not satisfies(version, constraint):
        what = f"stack {entry.name} {entry.version} works with Kubernetes {constraint}, not with {version}"
        remedy = "choose another version of the stack or the cluster"
        yield MlstackError("config.kubernetes-version", what, remedy=remedy, place=place, exit_code=ExitCode.USAGE)


def _source(entry: Entry, source: ImageSource, place: Place | None) -> Iterator[MlstackError]:
    """Only what is certain without asking anybody; whether a registry or a bundle has the images is found before a run."""
    if from_registry_only(entry) and source is ImageSource.BUILD:
        yield without_source(entry, "artifacts.source is build", place)


def _beside(entry: Entry, entries: Sequence[Entry], place: Place | None) -> Iterator[MlstackError]:
    for other in entries:
        constraint = entry.document.spec.beside.get(other.name, "")
        if not satisfies(other.version, constraint):
            what = f"stack {entry.name} {entry.version} works with {other.name} {constraint}, not with {other.version}"
            yield MlstackError(
                "config.stack-version",
                what,
                remedy=f"choose another version of {entry.name} or {other.name}",
                place=place,
                exit_code=ExitCode.USAGE,
            )
