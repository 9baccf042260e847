"""The short way of ``up``: whether everything that the last one was made from is still exactly as it was.

An ``up`` that finds nothing to do is a function of its inputs and of what it read. It leaves a record of both: versions of the
configuration, the shipped data and the program, and of every object it read. As long as all of these are the same, another
``up`` would find nothing to do either, and saying so takes none of the libraries that finding out took. Anything else, any
doubt and any fault: the usual way. Decision 18.

Imports only what is cheap: this is on the way of every ``up``.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlstack import __version__

STARTED = time.time()
"""When this process began: what has changed since may not be what was read."""
VERSION = 1
NAME = "unchanged.json"
LONGEST = 86400.0
"""Seconds a record counts at most: once a day everything is looked at in the usual way."""
PROGRAM = Path(__file__).resolve().parent.parent
"""The installed program; the packages beside it go into images."""
VARIABLES = frozenset(
    {"HOME", "KUBECONFIG", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH"}
    | {name for one in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (one, one.upper())}
)
PREFIXES = ("MLSTACK_", "DOCKER_")
PRESENTATION = frozenset({"MLSTACK_UI"})
"""Says how a run is shown, not what it does."""


class Asked(NamedTuple):
    """What the command line says of the configuration, as it was typed. cwd: the working directory."""

    file: str
    name: str
    profile: str
    sets: tuple[str, ...]
    cwd: str


def read(state: Path, asked: Asked) -> Mapping[str, Any] | None:
    """The record of an instance that was brought up by the same command line; None when there is none of this version."""
    for path in sorted(state.glob(f"instances/*/{NAME}")):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        of_this = isinstance(record, dict) and record.get("version") == [VERSION, __version__]
        if of_this and record.get("asked") == [*asked[:3], list(asked.sets), asked.cwd]:
            return dict(record)
    return None


def holds(record: Mapping[str, Any], environ: Mapping[str, str], now: float) -> bool:
    """Whether everything is as the record says. A fault on the way counts as no."""
    from mlstack.adapters.looking import FAULTS, engine_digest, same_cluster
    from mlstack.core.errors import MlstackError
    from mlstack.core.looks import Look

    if not record["made"] <= now < record["until"] or record["environ"] != environ_digest(environ):
        return False
    if versions(record["files"]) != record["files"] or trees(record["trees"]) != record["trees"]:
        return False
    looks = [Look(*one) for one in record["looks"]]
    engine = record["engine"]
    try:
        return same_cluster(Path(record["kubeconfig"]), record["context"], looks) and (
            not engine or engine_digest(engine["socket"], engine["cluster"]) == engine["digest"]
        )
    except (*FAULTS, MlstackError):
        return False


def environ_digest(environ: Mapping[str, str]) -> str:
    """A digest of the variables that configuration, connections and tools depend on."""
    chosen = {
        name: value
        for name, value in environ.items()
        if name in VARIABLES or (name.startswith(PREFIXES) and name not in PRESENTATION)
    }
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def versions(paths: Sequence[str] | Mapping[str, Any]) -> dict[str, list[int]]:
    """Inode, size and time of the last change (ctime, which no tool can set) of each file; an empty list for none."""
    return {path: _version(path) for path in paths}


def _version(path: str) -> list[int]:
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_ctime_ns]


def trees(roots: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    """A digest of names, sizes and times of everything below each directory."""
    return {root: _tree(root) for root in roots}


def _tree(root: str) -> str:
    found = ((path, status) for path, status, is_directory in _below(root) if not is_directory)
    lines = sorted(f"{path} {status.st_size} {status.st_ctime_ns}" for path, status in found)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _below(directory: str) -> Iterator[tuple[str, os.stat_result, bool]]:
    """Path and status of the directory and of all below it, and whether it is a directory; of links what they lead to.

    Compiled modules are no input.
    """
    try:
        yield directory, Path(directory).stat(), True
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir():
            yield entry.path, entry.stat(), False
        elif entry.name != "__pycache__":
            yield from _below(entry.path)


def newest(files: Sequence[str], roots: Sequence[str]) -> float:
    """When anything of these was changed last, seconds since the epoch; directories count, since a deleted file changes them."""
    times = [one[2] for one in versions(files).values() if one]
    times += [status.st_ctime_ns for root in roots for _path, status, _is_directory in _below(root)]
    return max(times, default=0) / 1e9


def write(directory: Path, record: Mapping[str, Any]) -> None:
    """Keeps the record of an instance, mode 0600; one that cannot be written only costs the next ``up`` time."""
    now = time.time()
    whole = {"version": [VERSION, __version__], "made": now, **record, "until": min(record["until"], now + LONGEST)}
    fresh = directory / f"{NAME}.new"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(whole, file)
        fresh.replace(directory / NAME)
    except OSError:
        drop(directory)


def drop(directory: Path) -> None:
    """Forgets the record: something is about to be changed. Raises OSError when it is there and stays."""
    for name in (NAME, f"{NAME}.new"):
        (directory / name).unlink(missing_ok=True)
