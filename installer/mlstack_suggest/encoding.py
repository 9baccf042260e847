"""Points of a search space as rows of numbers from 0 to 1, and back. Pure; knows nothing of models or of who asks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlstack_suggest.space import Parameter

Point = Mapping[str, str]
Rows = NDArray[np.float64]
ONE_HOT = math.sqrt(0.5)
"""What a chosen word counts: any two words are then as far apart as the two ends of a number."""


class Numeric:
    """One column for a number: between its bounds, or for ``discrete`` the place among its values, which are sorted."""

    width = 1
    moves = True
    """Whether a little more or less of a column means something."""

    def __init__(self, one: Parameter) -> None:
        self._one = one
        self._values = sorted(one.values, key=float)
        self._log = one.log and not one.step  # the step is what somebody wrote on purpose, as in the other searches
        self._step = one.step or (1.0 if one.kind == "int" else 0.0)
        if self._values:
            self._count = len(self._values)
        else:
            # the last value may miss the bound by what floats lose
            self._count = math.floor((one.high - one.low) / self._step + 1e-9) + 1 if self._step else 0

    def drawn(self, uniform: float) -> list[float]:
        """The column for a number drawn evenly from 0 to 1: values that can be counted are all as likely."""
        if self._log or self._count < 2:
            return [uniform]
        return [min(max((uniform * self._count - 0.5) / (self._count - 1), 0.0), 1.0)]

    def text(self, columns: Sequence[float]) -> str:
        """The nearest value that may be tried."""
        one, place = self._one, min(max(columns[0], 0.0), 1.0)
        if self._values:
            return self._values[round(place * (self._count - 1))]
        if self._log:
            value = one.low * math.exp(place * math.log(one.high / one.low))
        elif self._step:
            value = round(one.low + round(place * (self._count - 1)) * self._step, 12)
        else:
            value = one.low + place * (one.high - one.low)
        value = round(value) if one.kind == "int" else value
        return one.text(min(max(value, one.low), one.high))

    def columns(self, text: str) -> list[float]:
        """The column of a value."""
        one = self._one
        if self._values:
            return [self._values.index(text) / max(self._count - 1, 1)]
        if one.low == one.high:
            return [0.0]
        if self._log:
            return [math.log(float(text) / one.low) / math.log(one.high / one.low)]
        high = one.low + (self._count - 1) * self._step if self._count > 1 else one.high
        return [(float(text) - one.low) / (high - one.low)]


class Words:
    """A column for each word, of which one counts."""

    moves = False

    def __init__(self, one: Parameter) -> None:
        self._values = one.values
        self.width = len(one.values)

    def drawn(self, uniform: float) -> list[float]:
        """The columns for a number drawn evenly from 0 to 1."""
        return self.columns(self._values[min(int(uniform * self.width), self.width - 1)])

    def text(self, columns: Sequence[float]) -> str:
        """The word that counts most."""
        return self._values[int(np.argmax(columns))]

    def columns(self, text: str) -> list[float]:
        """The columns of a word."""
        return [ONE_HOT if each == text else 0.0 for each in self._values]


class Encoding:
    """The columns of a whole space. moves: for each column whether it is a number's."""

    def __init__(self, space: Sequence[Parameter]) -> None:
        self._axes: dict[str, Numeric | Words] = {
            one.name: Words(one) if one.kind == "categorical" else Numeric(one) for one in space
        }
        self.moves = [axis.moves for axis in self._axes.values() for _ in range(axis.width)]

    def __len__(self) -> int:
        """How many parameters there are."""
        return len(self._axes)

    def drawn(self, uniform: Sequence[float]) -> Point:
        """The point for a number from 0 to 1 for each parameter."""
        pairs = zip(self._axes.items(), uniform, strict=True)
        return {name: axis.text(axis.drawn(float(one))) for (name, axis), one in pairs}

    def row(self, point: Point) -> list[float]:
        """The row of a point."""
        return [column for name, axis in self._axes.items() for column in axis.columns(point[name])]

    def rows(self, points: Sequence[Point]) -> Rows:
        """A row for each point."""
        return np.array([self.row(point) for point in points], dtype=float)

    def point(self, row: Sequence[float]) -> Point:
        """The nearest point that may be tried."""
        found, start = {}, 0
        for name, axis in self._axes.items():
            found[name] = axis.text(row[start : start + axis.width])
            start += axis.width
        return found
