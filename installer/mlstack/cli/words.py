"""Numbers as people read them: durations, sizes, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlstack.core.events import SampleStep


def clock(seconds: float) -> str:
    """``0:07``, ``2:41``, ``1:02:03``: for columns that tick."""
    whole = max(0, int(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``7 s``, ``2 min 41 s``, ``1 h 2 min``."""
    if seconds < 0.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float) -> str:
    """A rough remainder: ``less than 10 s``, ``about 40 s``, ``about 3 min``."""
    if seconds < 10:
        return "less than 10 s"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes in binary units: ``512 B``, ``1.5 MiB``, ``12 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


def amount(done: float, total: float, unit: str) -> str:
    """How far something is: ``12 of 80 MiB``, ``3/10 tasks``, ``45 packages``."""
    if unit == "B":
        return f"{size(done)} of {size(total)}" if total else size(done)
    far = f"{done:.0f}/{total:.0f}" if total else f"{done:.0f}"
    return f"{far} {unit}".strip()


def plural(count: int, noun: str) -> str:
    """``1 change``, ``3 changes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sample_step(event: SampleStep) -> str:
    """A line about a step of a sample: ``train: Running``, ``flaky (attempt 2): Failed after 4 s, exit code 1``."""
    name = f"{event.name} (attempt {event.attempt + 1})" if event.attempt else event.name
    took = f" after {duration(event.seconds)}" if event.seconds else ""
    return f"{name}: {event.phase}{took}{f', {event.message}' if event.message else ''}"
