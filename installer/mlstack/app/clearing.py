"""What an instance leaves on disk, and taking it away."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.errors import MlstackError

if TYPE_CHECKING:
    from mlstack.app.session import Session

SHARED = ("ansible", "bugs")
"""Logs in the state directory that belong to no instance: of playbooks, and of faults of ours."""


TRACES = frozenset({"journal", "lock"})
"""Files, without their endings, that every command which runs a plan leaves in an instance's directory, also one that makes
nothing of a platform."""


def others(session: Session) -> list[str]:
    """The other instances of this user on this host."""
    directory = session.directory
    found = directory.parent.iterdir() if directory.parent.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir() and path.name != directory.name and not unmade(path))


def unmade(directory: Path) -> bool:
    """True where a directory, if it is there, holds no more than the traces of commands: nothing of a platform was made there."""
    return not directory.is_dir() or all(path.stem in TRACES for path in directory.iterdir())


def forget_traces(directory: Path) -> None:
    """Takes the traces away but the lock, which its holder still needs and which goes with the directory."""
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.stem == "journal":
            path.unlink()


def clear(session: Session, keep: Sequence[str]) -> None:
    """Removes the instance's files but those to keep (not empty directories), and the shared logs with the last instance of which
    nothing is left.

    Raises MlstackError ``down.not-removed``.
    """
    directory, state = session.directory, session.paths.state
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.name not in keep or (path.is_dir() and not any(path.iterdir())):
            _remove(path, directory)
    for folder in (directory, directory.parent):
        _remove_empty(folder)
    for name in SHARED if not directory.parent.exists() else ():
        _remove(state / name, state)
    _remove_empty(state)


def _remove(path: Path, directory: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except PermissionError as error:
        raise MlstackError(
            "down.not-removed",
            f"cannot remove {path}",
            why=str(error.strerror),
            remedy=f"the volumes hold files of other users: sudo rm -rf {directory}",
        ) from None


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
