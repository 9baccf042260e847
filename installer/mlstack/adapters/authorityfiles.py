"""Files with certificates of authorities: writes the platform's, reads the host's. Never a private key."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError

USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, openSUSE, and Alpine and macOS keep the system's list."""


def write_file(path: Path, text: str, mode: int) -> Path:
    """Writes the whole file or leaves the one that is there. Raises ``certs.export``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MlstackError(
            "certs.export",
            f"the certificate cannot be written to {path}",
            why=error.strerror or str(error),
            remedy="name a file in a directory that you may write to",
            exit_code=ExitCode.USAGE,
        ) from None
    return path


def host_authorities(more: Iterable[Path] = ()) -> str:
    """The authorities this host trusts, PEM, and those of further files; empty where the system keeps them otherwise."""
    paths = [ssl.get_default_verify_paths().cafile or "", *USUAL]
    system = next((Path(one) for one in paths if one and Path(one).is_file()), None)
    texts = [one.read_text(errors="replace").strip() for one in [*([system] if system else []), *more] if one.is_file()]
    return "".join(f"{text}\n" for text in texts)
