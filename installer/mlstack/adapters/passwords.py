"""Passwords: the rules for those of users, random ones, and their bcrypt hashes."""

from __future__ import annotations

import secrets
import string

from mlstack.core.errors import ExitCode, MlstackError

COST = 12
"""Rounds as a power of two: about a quarter of a second a try (decision 10)."""
LEAST, MOST = 10, 72
"""Characters at least, bytes at most: bcrypt looks at no more."""
GENERATED = 24
_ALPHABET = string.ascii_letters + string.digits


def generate() -> str:
    """A random password of 142 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(GENERATED))


def check(password: str) -> None:
    """Raises MlstackError users.password for one that is too short, too long or has control characters."""
    reason = ""
    if len(password) < LEAST:
        reason = f"it has fewer than {LEAST} characters"
    elif len(password.encode()) > MOST:
        reason = f"it has more than {MOST} bytes"
    elif not password.isprintable():
        reason = "it has characters that cannot be typed"
    if reason:
        raise MlstackError(
            "users.password",
            "this password cannot be used",
            why=reason,
            remedy=f"choose one of {LEAST} to {MOST} characters, or leave it out to have one generated",
            exit_code=ExitCode.USAGE,
        )


def hashed(password: str) -> str:
    """The bcrypt hash of a password that ``check`` passed."""
    import bcrypt

    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode("ascii")
