"""Hyperband's halving without waiting: the best of those that had little are tried again with more. Pure.

After L. Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020 (ASHA): Katib wants as many points as it asks
for at any time, so nothing can wait for a whole round to end. What may go up goes up; else somebody new begins.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlstack_suggest.space import BadExperiment, Parameter, number

HYPERBAND = "hyperband"
SETTINGS = ("r_l", "resource_name", "eta", "random_state")
Point = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ladder:
    """resource: the parameter that says how much a trial may use; rungs: its values from the least to the most; eta: one of
    so many goes up."""

    resource: str
    rungs: tuple[str, ...]
    eta: int


def ladder_of(settings: Mapping[str, str], space: Sequence[Parameter]) -> Ladder:
    """The checked ladder: from the most (``r_l``) down by ``eta`` as long as the resource's space goes. Raises BadExperiment."""
    for name in ("r_l", "resource_name"):
        if name not in settings:
            raise BadExperiment(f"algorithm {HYPERBAND} needs the setting {name}")
    most, eta = number(settings["r_l"], "setting r_l"), number(settings.get("eta", "3"), "setting eta")
    if eta < 2 or not eta.is_integer():
        raise BadExperiment(f"setting eta: '{settings['eta']}' is not a whole number from 2 on")
    resource = next((one for one in space if one.name == settings["resource_name"]), None)
    if resource is None or resource.listed:
        raise BadExperiment(f"setting resource_name: {settings['resource_name']} is no parameter of type int or double")
    if not max(resource.low, math.ulp(0.0)) <= most <= resource.high:
        raise BadExperiment(
            f"setting r_l: {most:g} is not within the {resource.low:g} to {resource.high:g} of {resource.name}"
        )
    return Ladder(resource.name, tuple(_rungs(resource, most, int(eta)))[::-1], int(eta))


def _rungs(resource: Parameter, most: float, eta: int) -> Iterator[str]:
    """From the top down; of a resource in whole numbers, whole ones."""
    least, value = max(resource.low, 1.0 if resource.kind == "int" else most / eta**4), most
    while value >= least and value > 0:
        yield resource.text(math.floor(value) if resource.kind == "int" else value)
        value = round(value / eta, 12)  # or the last rung misses the least by what floats lose


class Halving:
    """Which point comes next. begin: makes a new point; better: whether a greater value is better."""

    def __init__(self, ladder: Ladder, begin: Callable[[], Point], better_is_more: bool) -> None:
        self._ladder, self._begin, self._sign = ladder, begin, -1.0 if better_is_more else 1.0
        self._given: set[tuple[tuple[str, str], ...]] = set()

    def next(self, ended: Sequence[tuple[Point, float | None]], running: Sequence[Point], count: int) -> list[Point]:
        """``count`` points. ended: trials with their values, None where a trial told none; running: the others that there are."""
        known = {_key(point) for point, _ in ended} | {_key(point) for point in running}
        found: list[Point] = []
        for _ in range(count):
            point = self._promoted(ended, known | self._given) or {
                **self._begin(),
                self._ladder.resource: self._ladder.rungs[0],
            }
            self._given.add(_key(point))
            found.append(point)
        return found

    def _promoted(
        self, ended: Sequence[tuple[Point, float | None]], known: set[tuple[tuple[str, str], ...]]
    ) -> Point | None:
        """The best that may go one rung up and has not, from the highest rung down."""
        resource, rungs = self._ladder.resource, self._ladder.rungs
        for rung, above in reversed([*itertools.pairwise(rungs)]):
            there = [(point, value) for point, value in ended if point[resource] == rung]
            good = sorted((self._sign * value, index) for index, (_, value) in enumerate(there) if value is not None)
            for _, index in good[: len(there) // self._ladder.eta]:
                up = {**there[index][0], resource: above}
                if _key(up) not in known:
                    return up
        return None


def _key(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(point.items()))
