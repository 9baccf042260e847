"""Secrets that the user gives by reference: an environment variable or a file. They are read here and never written to disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlstack.core.errors import ExitCode, MlstackError


class GivenSecrets:
    """References ``env:NAME`` and ``file:/path``. environ: the process environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, reference: str) -> str:
        """What a reference names, without line ends after it. Raises MlstackError secret.not-given, which tells no value."""
        kind, _, name = reference.partition(":")
        value, why = "", f"environment variable {name} is not set"
        if kind == "env":
            value = self._environ.get(name, "").rstrip("\r\n")
        elif kind == "file":
            try:
                value, why = Path(name).read_text(encoding="utf-8").rstrip("\r\n"), f"{name} is empty"
            except (OSError, UnicodeDecodeError) as error:
                why = f"{name}: {getattr(error, 'strerror', None) or 'it is no text'}"
        if not value:
            raise MlstackError(
                "secret.not-given",
                "a secret that the configuration refers to cannot be read",
                why=why,
                remedy="set the variable or write the file, then run the command again",
                exit_code=ExitCode.USAGE,
            )
        return value

    def hashes(self, references: Iterable[str]) -> dict[str, str]:
        """Reference -> hash of its secret, for those that can be read. The hash is slow to try values against."""
        found = {}
        for reference in references:
            try:
                value = self.read(reference)
            except MlstackError:
                continue
            found[reference] = hashlib.scrypt(value.encode(), salt=b"mlstack", n=1 << 14, r=8, p=1, dklen=16).hex()
        return found
