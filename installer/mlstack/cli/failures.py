"""Errors as the user sees them, and the report that is written when mlstack itself is at fault. Never a raw traceback."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlstack import __version__
from mlstack.core.errors import ExitCode, MlstackError, Problems
from mlstack.core.redact import redact, redact_strictly


def as_text(error: MlstackError) -> str:
    """The error for people."""
    return redact(str(error))


def as_data(error: MlstackError) -> dict[str, Any]:
    """The error for programs: its parts, and every problem of a collection."""
    data: dict[str, Any] = {name: redact(value) for name, value in error.to_dict().items()}
    data["exitCode"] = int(error.exit_code)
    if isinstance(error, Problems):
        data["problems"] = [as_data(problem) for problem in error.problems]
    return data


def from_outcome(error: Mapping[str, str]) -> str:
    """The text of an error that came as ``MlstackError.to_dict()``."""
    where = f"{error['place']}: " if error.get("place") else ""
    lines = [f"{where}{error.get('what', 'failed')} [{error.get('code', '')}]"]
    for name, label in (("why", "why:"), ("remedy", "do: "), ("see", "see:")):
        if error.get(name):
            lines.append(f"  {label} {error[name]}")
    return redact("\n".join(lines))


def bug(error: BaseException, arguments: Sequence[str], environ: Mapping[str, str]) -> MlstackError:
    """Writes the report of an unexpected exception (mode 0600, secrets taken out) and makes the error to show."""
    summary = redact_strictly(f"{type(error).__name__}: {error}".splitlines()[0])[:300]
    try:
        path = str(_write(_report(error, arguments), environ))
    except OSError as problem:
        path = ""
        summary += f" (no report: {problem.strerror})"
    return MlstackError(
        "bug",
        "mlstack itself failed; this is a bug",
        why=summary,
        remedy="run the command again; if it comes back, send the report, or 'mlstack support-bundle', to the maintainers",
        see=path,
        exit_code=ExitCode.BUG,
    )


def _report(error: BaseException, arguments: Sequence[str]) -> str:
    trace = "".join(traceback.format_exception(error))
    lines = [
        f"mlstack {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: mlstack {' '.join(arguments)}",
        "",
        trace,
    ]
    return redact_strictly("\n".join(lines))


def _write(text: str, environ: Mapping[str, str]) -> Path:
    name = f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for directory in _directories(environ):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return directory / name
    raise OSError(28, "no directory can be written to")


def _directories(environ: Mapping[str, str]) -> list[Path]:
    """Where a report may go: the state directory, else the temporary one. The configuration may be what is broken."""
    import platformdirs

    state = environ.get("MLSTACK_STATE_DIR") or platformdirs.user_state_path("mlstack")
    return [
        Path(state) / "bugs",
        Path(tempfile.gettempdir()) / f"mlstack-bugs-{os.getuid() if hasattr(os, 'getuid') else 0}",
    ]


def arguments_of_process() -> list[str]:
    """The command line without secrets; none belongs there, but users type what they type."""
    return [redact_strictly(argument) for argument in sys.argv[1:]]
