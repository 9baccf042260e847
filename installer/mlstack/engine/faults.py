"""Turns whatever a handler raised into an error with a remedy. A bug's message may quote data, so only its place is told."""

from __future__ import annotations

import traceback
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError


def as_error(error: BaseException) -> MlstackError:
    """The error itself when it is ours; a full disk and its kin by name; anything else is a bug and says where."""
    if isinstance(error, MlstackError):
        return error
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return MlstackError(
            "host.io",
            f"The operating system refused: {error.strerror}{place}",
            remedy="Free space or correct the permissions there, then run the command again: it resumes.",
        )
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    return MlstackError(
        "engine.bug",
        f"mlstack itself failed: {type(error).__name__} at {place}",
        remedy="Please report it with `mlstack support-bundle`; running the command again may get further.",
        exit_code=ExitCode.BUG,
    )
