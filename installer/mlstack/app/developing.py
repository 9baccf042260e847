"""``mlstack dev``: scaffolds, digests and golden output of stacks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.catalogue import Entry
from mlstack.core.errors import MlstackError
from mlstack.core.resolve import Choice, home_choices, profile_of, resolve, unknown
from mlstack.core.versions import newest

if TYPE_CHECKING:
    from mlstack.app.session import Session


def dev_new(session: Session, kind: str, name: str, version: str) -> Path:
    """Makes a stack or addon from the skeleton."""
    from mlstack.adapters.scaffold import new_stack

    return new_stack(session.paths.data, name, version, addon=kind == "addon")


def dev_lock(session: Session, stack: str) -> list[Path]:
    """Writes the digests of the images that a registry has; the others keep their recipe only, and that is said."""
    from mlstack.adapters.scaffold import write_lock

    written = []
    for entry in _entries(session, stack):
        digests = {}
        for image in entry.document.spec.images:
            try:
                digests[image.ref] = session.artifacts.images.resolve_digests(image.ref)
            except MlstackError as error:
                session.warn(f"{image.ref}: {error.what}{f' ({error.why})' if error.why else ''}")
        directory = session.catalogue.directory(entry.name, entry.version)
        if digests and write_lock(directory, session.paths.data, digests):
            written.append(directory / "stack.yaml")
    return written


def dev_golden(session: Session, stack: str) -> list[Path]:
    """Writes the golden output of every version of a stack."""
    from mlstack.adapters.scaffold import write_golden
    from mlstack.core.golden import golden_files

    written = []
    for entry in _entries(session, stack):
        selection = resolve(
            session.catalogue,
            session.release,
            profile_of(session.release, entry.name, entry.document.spec.requires),
            home_choices(session.release, entry.name, Choice(version=entry.version, enabled=True)),
        )
        directory = session.catalogue.directory(entry.name, entry.version)
        names = write_golden(directory, golden_files(session.renderer, selection, entry.name))
        written += [directory / "golden" / name for name in names]
    return written


def _entries(session: Session, stack: str) -> list[Entry]:
    """Every version of ``NAME``, or the one of ``NAME@VERSION``."""
    name, _, version = stack.partition("@")
    versions = session.catalogue.versions(name)
    if not versions:
        raise unknown("stack", name, session.catalogue.names())
    if version and version not in versions:
        raise unknown("version", version, [*versions, newest(versions)])
    return [session.catalogue.entry(name, one) for one in ([version] if version else versions)]
