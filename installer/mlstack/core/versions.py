"""Version numbers and constraints such as ``>=1.32,<1.38``, as stacks state them for Kubernetes. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping

_OPERATORS: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, at least three: ``v1.36`` is (1, 36, 0). Raises ValueError when it has none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    if match is None:
        raise ValueError(f"not a version: '{version}'")
    found = [int(part) for part in match[1].split(".")]
    return tuple(found + [0] * (3 - len(found)))


def satisfies(version: str, constraint: str) -> bool:
    """True when the version meets every part of the constraint; an empty one is met. Raises ValueError when unreadable."""
    own = numbers(version)
    for part in filter(None, (piece.strip() for piece in constraint.split(","))):
        match = re.fullmatch(r"(>=|<=|==|!=|>|<)\s*(v?\d[\w.]*)", part)
        if match is None:
            raise ValueError(f"not a version constraint: '{part}'")
        if not _OPERATORS[match[1]](own, numbers(match[2])):
            return False
    return True


def newest(versions: Iterable[str]) -> str:
    """The greatest version by its numbers. Raises ValueError when there is none."""
    return max(versions, key=lambda version: (numbers(version), version))
