"""What a failed ``go`` command means: a wrong hash, a proxy that refuses, a full disk, or code that does not compile."""

from __future__ import annotations

import re
from pathlib import Path

from mlstack.core.errors import MlstackError

TAIL = 20
"""Lines of the compiler's output shown in the error."""


def compile_failed(lock: str, command: str, step: str, errors: str, log: str) -> MlstackError:
    """The error of a failed build: the recipe's lock, the command, the last lines, the log's path."""
    lines = [line for line in errors.strip().splitlines() if not line.startswith("go: downloading")]
    tail = "\n".join(lines[-TAIL:])
    why = f"command: {command[:600]}\n{tail}"
    if "SECURITY ERROR" in errors or "checksum mismatch" in errors:
        hashes = [line.strip() for line in lines if re.search(r"h1:|downloaded:|go\.sum:", line)]
        return MlstackError(
            "download.hash-mismatch",
            f"A module of Go lock '{lock}' is not what go.sum pins",
            why="; ".join(hashes) or tail,
            remedy="do not use it; try another GOPROXY, and if it stays so tell the recipe's maintainer",
            see=log,
        )
    if "no space left on device" in errors or "disk quota exceeded" in errors:
        return MlstackError(
            "disk.full",
            f"No space left below {Path(log).parent.parent} while building Go lock '{lock}'",
            why=tail,
            remedy="free space (`mlstack images prune` trims build caches), then repeat the command: it resumes",
            see=log,
        )
    if re.search(r"dial tcp|no such host|i/o timeout|proxyconnect|\b(403|404|410|429|50\d) |x509:", errors):
        return MlstackError(
            "go.modules-unavailable",
            f"Modules of Go lock '{lock}' could not be fetched",
            why=why,
            remedy="check the network, GOPROXY and the CA settings; a mirror may not serve that version",
            see=log,
        )
    return MlstackError(
        "go.compile-failed",
        f"Building Go lock '{lock}' failed at: {step}",
        why=why,
        remedy="read the log; check that the Go toolchain and, for cgo, a C compiler and headers are installed",
        see=log,
    )
