"""The answer to why the gateway lets a request in or not: steps, decision, and what really came back. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SILENT = (502, 503, 504)
"""What a gateway answers in the place of a service that it let a request on to and that does not answer."""


class Decision(StrEnum):
    """Who answers. SERVICE: what stands behind the route, with a status of its own; the others are the gateway's."""

    SERVICE = "service"
    LOGIN = "login"
    REFUSED = "refused"
    REDIRECT = "redirect"
    DIRECT = "direct"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was looked at. by: the object or setting that decides; text: what it says about this request."""

    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What really came back. by_service: something behind the gateway answered; reason: the gateway's own words."""

    status: int
    by_service: bool
    location: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a request fares. status: 0 where the service behind it decides; open_points: what was not evaluated.

    answer: what really came back, None where nothing was sent; agrees: whether it is what was predicted.
    """

    url: str
    path: str
    decision: Decision
    status: int
    steps: tuple[Step, ...]
    open_points: tuple[str, ...] = ()
    route: str = ""
    user: str = ""
    answer: Answer | None = None

    @property
    def agrees(self) -> bool:
        """True when nothing was sent, or when what came back is as predicted."""
        if self.answer is None:
            return True
        if self.decision is Decision.SERVICE:
            return self.answer.by_service or self.answer.status in SILENT
        return not self.answer.by_service and self.answer.status == self.status
