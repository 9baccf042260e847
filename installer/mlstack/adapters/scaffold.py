"""Writes files of the catalogue for its authors: a new stack from the skeleton, golden output, image digests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.relock import write_digests
from mlstack.core.template import Templates

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"[0-9]+(\.[0-9A-Za-z]+)*")


def new_stack(root: Path, name: str, version: str, *, addon: bool = False) -> Path:
    """A new entry from ``stacks/skeleton``; returns its directory. Raises ``dev.bad-name`` or ``dev.exists``."""
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise _error(
            "dev.bad-name", f"'{name}' '{version}' is not a name and a version", "write it like: my-stack 1.0.0"
        )
    target = root / ("addons" if addon else "stacks") / name / version
    if target.exists():
        raise _error("dev.exists", f"{target.relative_to(root)} exists already", "choose another version")
    skeleton = root / "stacks" / "skeleton"
    templates = Templates(("${{", "}}"))
    context = {"name": name, "version": version, "kind": "Addon" if addon else "Stack"}
    for source in sorted(path for path in skeleton.rglob("*") if path.is_file()):
        relative = source.relative_to(skeleton)
        text = templates.text(source.read_text(encoding="utf-8"), f"stacks/skeleton/{relative.as_posix()}", context)
        _write(target / relative, text)
    return target


def write_golden(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Brings ``golden/`` of an entry to the given files; returns the names that changed, deleted ones included."""
    golden = directory / "golden"
    present = {path.name for path in golden.iterdir()} if golden.is_dir() else set()
    changed = sorted(present - files.keys())
    for name in changed:
        (golden / name).unlink()
    for name, text in files.items():
        path = golden / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            _write(path, text)
            changed.append(name)
    return changed


def write_lock(directory: Path, root: Path, digests: Mapping[str, Mapping[str, str]]) -> bool:
    """Sets image digests (reference -> architecture -> digest) in an entry's ``stack.yaml``; True when it changed."""
    path = directory / "stack.yaml"
    old = path.read_text(encoding="utf-8")
    new = write_digests(old, digests, path.relative_to(root).as_posix())
    if new != old:
        _write(path, new)
    return new != old


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _error("dev.not-written", f"cannot write {path}: {error.strerror}", "use a writable checkout") from None


def _error(code: str, what: str, remedy: str) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, exit_code=ExitCode.USAGE)
