"""The median stopping rule: a trial that is worse than the median of those before it is not worth its rest. Pure.

After D. Golovin et al., "Google Vizier: A Service for Black-Box Optimization", 2017, section 3.2.2, with the running average
over a trial's first values.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlstack_suggest.space import BadExperiment

MEDIANSTOP = "medianstop"
_SETTINGS = {"min_trials_required": 3, "start_step": 4}
"""Setting -> its default; all are whole numbers from 1 on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """least: trials that must have succeeded before any is stopped; start_step: values of a trial that are looked at."""

    least: int
    start_step: int


def settings_of(algorithm: str, given: Mapping[str, str]) -> Settings:
    """The checked settings. Raises BadExperiment."""
    if algorithm != MEDIANSTOP:
        raise BadExperiment(f"early stopping algorithm {algorithm} is not {MEDIANSTOP}")
    found = dict(_SETTINGS)
    for name, text in given.items():
        if name not in found:
            raise BadExperiment(f"early stopping has no setting {name}; it has: {', '.join(_SETTINGS)}")
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise BadExperiment(f"early stopping setting {name}: '{text}' is not a whole number from 1 on")
        found[name] = int(text)
    return Settings(found["min_trials_required"], found["start_step"])


class Medians:
    """What the trials that succeeded began with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._averages: dict[str, float] = {}

    def missing(self, trials: Iterable[str]) -> list[str]:
        """Those of the trials that are not known yet."""
        return [name for name in trials if name not in self._averages]

    def add(self, trial: str, values: Sequence[float]) -> None:
        """Takes a trial in by the objective's values in their order; one without any says nothing."""
        first = values[: self.settings.start_step]
        if first:
            self._averages[trial] = statistics.fmean(first)

    def threshold(self) -> float | None:
        """The value that a trial has to reach to go on; None while there are too few to compare with."""
        if len(self._averages) < self.settings.least:
            return None
        return statistics.median(self._averages.values())
