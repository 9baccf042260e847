"""The intent log of an instance: JSON lines with a checksum each, fsynced. It always parses after a crash at any moment.

A tail that was cut or holds noise is what a crash or a full disk leaves: it is dropped. Noise before good lines means that
something else wrote the file: it is refused with a remedy.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlstack.core.errors import MlstackError


def _line(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":"), sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text) or len(checksum) != 8:
            return None
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


class FileJournal:
    """``ports.Journal`` in a file of mode 0600. A finished run's log is replaced by the next one's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def begin(self, run: str, command: str, plan: str) -> None:
        """Starts the log of a run. run: its id; plan: a digest of what it will do."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(".new")
        with self._guard():
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            os.write(
                handle, _line({"event": "begin", "run": run, "command": command, "plan": plan, "time": time.time()})
            )
            os.fsync(handle)
            fresh.replace(self._path)
            self._sync_directory()
        self._close()
        self._file = handle

    def record(self, action: str, state: str, detail: Mapping[str, Any] | None = None, *, durable: bool = True) -> None:
        """Notes that an action begins (``start``) or ended (``done``, ``failed``). detail must hold no secret."""
        self._append({"event": "action", "action": action, "state": state, "detail": dict(detail or {})}, durable)

    def end(self, outcome: str) -> None:
        """Notes the end of the run; afterwards nothing is unfinished, whatever the outcome."""
        self._append({"event": "end", "outcome": outcome, "time": time.time()}, durable=True)
        self._close()

    def unfinished(self) -> Mapping[str, Any] | None:
        """The run that was ended before its end: run, command, actions begun but not done. None when there is none.

        Raises MlstackError journal.damaged.
        """
        entries = self._read()
        if not entries or entries[-1].get("event") == "end":
            return None
        open_actions: dict[str, None] = {}
        done = []
        for entry in entries:
            if entry.get("event") == "action" and entry.get("state") == "start":
                open_actions[str(entry.get("action"))] = None
            elif entry.get("event") == "action":
                open_actions.pop(str(entry.get("action")), None)
                done.append(str(entry.get("action")))
        first = entries[0]
        return {
            "run": str(first.get("run", "")),
            "command": str(first.get("command", "")),
            "time": float(first.get("time") or 0.0),
            "open": tuple(open_actions),
            "done": tuple(done),
        }

    def _read(self) -> list[dict[str, Any]]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._fault(error) from None
        parsed = [_parse(line) for line in raw.split(b"\n")]
        good = [entry for entry in parsed if entry is not None]
        first_bad = next((number for number, entry in enumerate(parsed) if entry is None), len(parsed))
        if any(entry is not None for entry in parsed[first_bad:]) or (good and good[0].get("event") != "begin"):
            raise MlstackError(
                "journal.damaged",
                f"The journal {self._path} was overwritten",
                why=f"line {first_bad + 1} is not what mlstack wrote, but later lines are",
                remedy=f"Remove the file (`rm {self._path}`) and run the command again: what is there is looked at anew.",
            )
        return good

    def _append(self, entry: Mapping[str, Any], durable: bool) -> None:
        if self._file is None:
            return
        with self._guard():
            os.write(self._file, _line(entry))
            if durable:
                os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _sync_directory(self) -> None:
        if hasattr(os, "O_DIRECTORY"):
            handle = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(handle)
            os.close(handle)

    def _guard(self) -> _Guard:
        return _Guard(self)

    def _fault(self, error: OSError) -> MlstackError:
        return MlstackError(
            "journal.write",
            f"The journal {self._path} cannot be used",
            why=str(error.strerror or error),
            remedy="Free space on that file system and make it writable, then run the command again: it resumes.",
        )


class _Guard:
    """Turns errors of the file system into ours."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise self._journal._fault(error) from None
