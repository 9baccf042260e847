"""The log files that playbooks, builds and the cluster's tool leave on this host. Names them; reads none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.model import LogFile

if TYPE_CHECKING:
    from mlstack.app.session import Session


def log_files(session: Session) -> list[LogFile]:
    """Those that are there now, by the group of the steps that write them. Links are left out: they may lead anywhere."""
    places = {
        "host": session.paths.state / "ansible",
        "images": session.paths.cache / "logs",
        "cluster": session.directory / "logs",
    }
    return [LogFile(group, path.name, path) for group, place in places.items() for path in _logs(place)]


def _logs(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.glob("*.log")):
        if path.is_file() and not path.is_symlink():
            yield path
