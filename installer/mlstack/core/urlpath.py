"""A request's path as the gateway compares it with rules: what the mesh's ``pathNormalization`` makes of it. Pure."""

from __future__ import annotations

import re
from typing import Literal

Normalization = Literal["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]
LEVELS: tuple[Normalization, ...] = ("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalized(target: str, level: Normalization = "DECODE_AND_MERGE_SLASHES") -> str:
    """The path of a request target, without query and fragment.

    BASE: backslashes are slashes, escaped letters and digits themselves, dot segments resolved (``..;x`` counts as one);
    MERGE_SLASHES: and doubled slashes are one; DECODE_AND_MERGE_SLASHES: and escaped slashes are slashes.
    """
    path = re.split(r"[?#]", target, maxsplit=1)[0] or "/"
    step = LEVELS.index(level)
    if step >= 3:
        path = re.sub(r"%2[fF]", "/", re.sub(r"%5[cC]", r"\\", path))
    if step >= 1:
        path = _without_dots(_ESCAPED.sub(_unescaped, path.replace("\\", "/")))
    return re.sub(r"/{2,}", "/", path) if step >= 2 else path


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0]


def _without_dots(path: str) -> str:
    kept: list[str] = []
    *middle, last = path.removeprefix("/").split("/")
    for segment in middle:
        _walk(kept, segment)
    bare = last.partition(";")[0]
    if bare in (".", ".."):
        _walk(kept, last)
        last = ""
    return "/" + "/".join([*kept, last])


def _walk(kept: list[str], segment: str) -> None:
    bare = segment.partition(";")[0]
    if bare == "..":
        if kept:
            kept.pop()
    elif bare != ".":
        kept.append(segment)


def matches(pattern: str, value: str) -> bool:
    """A string of an AuthorizationPolicy: ``*`` is any value that is there, ``x*`` a beginning, ``*x`` an end, else the whole."""
    if pattern == "*":
        return bool(value)
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value == pattern
