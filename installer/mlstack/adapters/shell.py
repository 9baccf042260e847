"""Runs programs of the host: own process group, lines as they come, a log file, an end within a second of a cancel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from mlstack.core.disk import disk_error
from mlstack.core.errors import MlstackError, interrupted
from mlstack.core.ports import Cancelled, Process

_TAIL_LINES = 200
_GRACE = 0.8
_CHECK = 0.2


class HostShell:
    """The ``Shell`` port. environment: variables every program gets beside this process's own (proxies, CA file)."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})

    def which(self, program: str) -> Path | None:
        """The program's path, looked up in PATH and the directories that PATH of an unprivileged user leaves out."""
        path = os.pathsep.join(
            [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin"]
        )
        found = shutil.which(program, path=path)
        return Path(found) if found else None

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | Path | None = None,
        timeout: float = 600.0,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Process:
        """Runs ``argv`` to its end; env is added to this process's environment; on_line gets lines of stdout and stderr.

        log: appended with both streams (mode 0600). Secrets belong into env or stdin, never into argv.
        Raises shell.not-found, shell.timeout, run.interrupted; a non-zero exit code is not an error here.
        """
        program = self.which(argv[0]) if os.sep not in argv[0] else Path(argv[0])
        if program is None:
            raise _not_found(argv[0])
        if cancelled():
            raise interrupted(argv[0])
        sink = _Lines(on_line, log)
        with sink, _Input(stdin) as source:
            process = _start([str(program), *argv[1:]], {**os.environ, **self._environment, **(env or {})}, cwd, source)
            readers = [
                threading.Thread(target=sink.read, args=(process.stdout, sink.output), daemon=True),
                threading.Thread(target=sink.read, args=(process.stderr, sink.errors), daemon=True),
            ]
            for reader in readers:
                reader.start()
            try:
                code = _wait(process, argv[0], timeout, cancelled)
            finally:
                _end_group(process)
                for reader in readers:
                    reader.join(timeout=5)
        if sink.failure:
            raise sink.failure
        return Process(code, "".join(sink.output), "".join(sink.errors))


class _Lines:
    """Collects both streams: stdout whole, stderr's tail, each line also to the listener and the log."""

    def __init__(self, on_line: Callable[[str], None] | None, log: Path | None) -> None:
        self.output: list[str] = []
        self.errors: deque[str] = deque(maxlen=_TAIL_LINES)
        self.failure: Exception | None = None
        self._on_line = on_line
        self._log_path = log
        self._log: IO[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> _Lines:
        if self._log_path:
            try:
                self._log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                handle = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            except OSError as error:
                raise disk_error(error, self._log_path) from error
            self._log = os.fdopen(handle, "w", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._log:
            with suppress(OSError):
                self._log.close()

    def read(self, stream: IO[bytes] | None, keep: list[str] | deque[str]) -> None:
        """Reads one stream to its end; a full disk under the log must not block the program."""
        if stream is None:
            return
        for raw in stream:
            line = raw.decode("utf-8", "replace")
            with self._lock:
                keep.append(line)
                if self._log:
                    with suppress(OSError, ValueError):
                        self._log.write(line)
                        self._log.flush()
                self._tell(line.rstrip("\r\n"))

    def _tell(self, line: str) -> None:
        """A listener that fails is told no more; the streams must be read on, or the program would block."""
        if self._on_line:
            try:
                self._on_line(line)
            except Exception as error:
                self.failure, self._on_line = error, None


class _Input:
    """Standard input of a program: bytes, a file or nothing."""

    def __init__(self, stdin: bytes | Path | None) -> None:
        self._stdin = stdin
        self._file: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes] | int:
        if self._stdin is None:
            return subprocess.DEVNULL
        try:
            if isinstance(self._stdin, Path):
                self._file = self._stdin.open("rb")
                return self._file
            handle, writer = os.pipe()
        except OSError as error:
            raise disk_error(error, self._stdin if isinstance(self._stdin, Path) else Path("stdin")) from error
        threading.Thread(target=_feed, args=(writer, self._stdin), daemon=True).start()
        self._file = os.fdopen(handle, "rb")
        return self._file

    def __exit__(self, *exc: object) -> None:
        if self._file:
            self._file.close()


def _feed(handle: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(handle, "wb") as file:
        file.write(data)


def _start(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, source: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except FileNotFoundError as error:
        raise _not_found(argv[0]) from error
    except OSError as error:
        raise disk_error(error, Path(argv[0])) from error


def _wait(process: subprocess.Popen[bytes], name: str, timeout: float, cancelled: Cancelled) -> int:
    end = time.monotonic() + timeout
    while True:
        try:
            return process.wait(timeout=_CHECK)
        except subprocess.TimeoutExpired:
            if cancelled():
                raise interrupted(name) from None
            if time.monotonic() > end:
                raise MlstackError(
                    "shell.timeout",
                    f"{name} did not end within {timeout:.0f} s",
                    remedy="look at the host's load and network, then repeat the command",
                ) from None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the process group: TERM, then KILL after a grace period below a second."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE)
            return


def _not_found(program: str) -> MlstackError:
    return MlstackError(
        "shell.not-found",
        f"The program '{program}' is not on this host",
        why="it is not in PATH",
        remedy="`mlstack doctor --fix` installs what a build needs",
    )
