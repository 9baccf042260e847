"""Words for people that several messages have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""Names that a message gives of many."""


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return ", ".join(names[:SHOWN]) + more
