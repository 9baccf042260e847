"""What a handler gives back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """A finished action. changed: false when everything was as wanted; detail: a few words for people, no secret."""

    changed: bool = True
    detail: str = ""
