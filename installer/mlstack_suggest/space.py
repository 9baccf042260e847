"""The search space of an experiment: what Katib's strings mean, what is wrong with them, every point of a grid. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Kind = Literal["double", "int", "discrete", "categorical"]
MOST_VALUES = 10_000
"""Values one parameter of a grid may have: more is a step that somebody mistyped."""
MOST_WHOLE = 2**32 - 1
"""The greatest setting: the greatest seed that the libraries take."""


class BadExperiment(ValueError):
    """The experiment cannot be searched as it is; the message names the parameter or setting and says what to change."""


class Problems:
    """What is wrong, gathered so that all of it is said at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, what: str) -> None:
        """Notes one."""
        self._found.append(what)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Notes what the block raises as BadExperiment."""
        try:
            yield
        except BadExperiment as error:
            self.add(str(error))

    def raise_any(self) -> None:
        """Raises BadExperiment with all that was noted, if anything was."""
        if self._found:
            raise BadExperiment("; ".join(self._found))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One dimension. low, high, step: of numbers (step 0: none); values: of discrete and categorical ones, as written."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    log: bool = False
    values: tuple[str, ...] = ()

    @property
    def listed(self) -> bool:
        """True when its values are given one by one."""
        return self.kind in ("discrete", "categorical")

    def text(self, value: object) -> str:
        """A value as Katib hands it to a trial: integers without a point, floats so that they read back the same."""
        if self.kind == "int":
            return str(int(float(str(value))))
        return repr(float(str(value))) if self.kind == "double" else str(value)


def parameter(
    name: str, kind: Kind, low: str = "", high: str = "", step: str = "", log: bool = False, values: Sequence[str] = ()
) -> Parameter:
    """A checked parameter. Raises BadExperiment."""
    if kind in ("discrete", "categorical"):
        if not values:
            raise BadExperiment(f"parameter {name}: feasibleSpace.list has no values")
        if len(set(values)) < len(values):
            raise BadExperiment(f"parameter {name}: a value stands in feasibleSpace.list twice")
        if kind == "discrete":
            for value in values:
                number(value, f"parameter {name}: feasibleSpace.list")
        return Parameter(name, kind, values=tuple(values))
    where = f"parameter {name}: feasibleSpace"
    found = Parameter(
        name,
        kind,
        number(low, f"{where}.min"),
        number(high, f"{where}.max"),
        number(step, f"{where}.step") if step else 0.0,
        log,
    )
    _check_range(found, where)
    return found


def _check_range(one: Parameter, where: str) -> None:
    if one.low > one.high:
        raise BadExperiment(f"{where}: min {one.low:g} is above max {one.high:g}")
    if one.step < 0:
        raise BadExperiment(f"{where}.step: {one.step:g} is below 0")
    if one.kind == "int" and any(not value.is_integer() for value in (one.low, one.high, one.step)):
        raise BadExperiment(f"{where}: min, max and step of an int parameter must be whole numbers")
    if one.log and one.low <= 0:
        raise BadExperiment(f"{where}: a logarithmic distribution needs a min above 0, not {one.low:g}")


def number(text: str, where: str) -> float:
    """A finite number. Raises BadExperiment."""
    try:
        value = float(text)
    except ValueError:
        raise BadExperiment(f"{where}: '{text}' is not a number") from None
    if not math.isfinite(value):
        raise BadExperiment(f"{where}: '{text}' is not finite")
    return value


def whole(text: str, where: str) -> int:
    """A whole number from 0 to MOST_WHOLE. Raises BadExperiment."""
    value = number(text, where)
    if not 0 <= value <= MOST_WHOLE or not value.is_integer():
        raise BadExperiment(f"{where}: '{text}' is not a whole number from 0 on, at most {MOST_WHOLE}")
    return int(value)


def grid_values(one: Parameter) -> list[str]:
    """Every value of a parameter of a grid, in order. Raises BadExperiment where there is no end to them."""
    if one.listed:
        return list(one.values)
    step = one.step or (1.0 if one.kind == "int" else 0.0)
    if one.low == one.high:
        return [one.text(one.low)]
    if not step:
        raise BadExperiment(f"parameter {one.name}: a grid needs feasibleSpace.step for a double parameter")
    # the last point may miss max by what floats lose
    count = math.floor((one.high - one.low) / step + 1e-9) + 1
    if count > MOST_VALUES:
        raise BadExperiment(
            f"parameter {one.name}: step {step:g} gives {count} values, at most {MOST_VALUES} make a grid"
        )
    return [one.text(round(one.low + index * step, 12)) for index in range(count)]


def grid_size(space: Sequence[Parameter]) -> int:
    """How many points a grid over the space has. Raises BadExperiment."""
    return math.prod(len(grid_values(one)) for one in space)


def grid_points(space: Sequence[Parameter], start: int) -> Iterator[Mapping[str, str]]:
    """The points of a grid from number ``start`` on, always in the same order: nothing need be remembered."""
    names = [one.name for one in space]
    for point in itertools.islice(itertools.product(*(grid_values(one) for one in space)), start, None):
        yield dict(zip(names, point, strict=True))
