"""Who asks: the identity that the gateway took from a verified token. Only the gateway reaches the portal, so it is believed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TOKEN_SECONDS = 12 * 3600
"""How long a form may stay open before it is sent."""

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,320}")


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user. name: the e-mail address, or the subject of a machine's token."""

    name: str
    groups: tuple[str, ...] = ()


def user_of(headers: Mapping[str, str], user_header: str, groups_header: str) -> User | None:
    """The user of a request; None without a usable identity header."""
    name = headers.get(user_header, "").strip()
    return User(name, groups_of(headers.get(groups_header, ""))) if _NAME.fullmatch(name) else None


def groups_of(text: str) -> tuple[str, ...]:
    """Groups as the gateway writes them: a list claim as base64url of JSON, a text claim as names with commas."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        found = text.split(",")
    names = found if isinstance(found, list) else text.split(",")
    return tuple(str(name).strip() for name in names if str(name).strip())


class Forms:
    """Signed values in forms, so that only pages made for a user can make that user's browser change something."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now

    def token(self, user: User) -> str:
        """A value for the user's forms, good for TOKEN_SECONDS."""
        until = str(int(self._now()) + TOKEN_SECONDS)
        return f"{until}.{self._mark(user, until)}"

    def good(self, user: User, token: str) -> bool:
        """True for a value made for this user that is not too old."""
        until, _, mark = token.partition(".")
        fresh = until.isascii() and until.isdigit() and int(until) >= self._now()
        return hmac.compare_digest(mark.encode(), self._mark(user, until).encode()) and fresh

    def _mark(self, user: User, until: str) -> str:
        return hmac.new(self._key, f"{until}\0{user.name}".encode(), hashlib.sha256).hexdigest()


def from_our_page(headers: Mapping[str, str]) -> bool:
    """False when the browser says that the request comes from another site's page. What it does not say is not held against it."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")
