"""Remembers on disk which cluster an instance made, so that nothing else is ever stopped or deleted."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mlstack.core.disk import disk_error
from mlstack.core.model import Paths

_FILE = "cluster.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A cluster of ours. finished: false from before the first container is made until the cluster was ready once.

    containers: ids of its nodes, known once it is finished; network: the engine network made for it.
    """

    cluster: str
    network: str
    finished: bool = False
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Damaged:
    """There is a record, but it cannot be read."""

    path: Path
    why: str


class Ownership:
    """The records of all instances, one file in each instance's directory."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def read(self, instance: str) -> Record | Damaged | None:
        """The record; Damaged when the file was cut or overwritten; None when mlstack made no cluster."""
        path = self._path(instance)
        try:
            data = json.loads(path.read_bytes())
            return Record(
                str(data["cluster"]), str(data["network"]), bool(data["finished"]), tuple(map(str, data["containers"]))
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error(error, path) from error
        except (ValueError, KeyError, TypeError) as error:
            return Damaged(path, str(error) or type(error).__name__)

    def write(self, instance: str, record: Record) -> None:
        """Replaces the record; it is on disk when this returns. Raises disk.* errors."""
        path = self._path(instance)
        new = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
                json.dump(asdict(record), sink)
                sink.flush()
                os.fsync(sink.fileno())
            new.replace(path)
        except OSError as error:
            raise disk_error(error, path) from error

    def forget(self, instance: str) -> None:
        """Removes the record; one that is not there is no error."""
        self._path(instance).unlink(missing_ok=True)

    def _path(self, instance: str) -> Path:
        return self._paths.instance(instance) / _FILE
