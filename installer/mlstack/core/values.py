"""Parameters of stacks and samples: what the user gave, checked against what is declared. All problems at once, no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mlstack.core.budget import quantity
from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.stackfile import Param

PlaceOf = Callable[[str], Place]
"""Where a parameter was given, by its name, for the error."""


def check_values(
    owner: str, declared: Mapping[str, Param], given: Mapping[str, Any], place_of: PlaceOf | None = None
) -> tuple[dict[str, Any], list[MlstackError]]:
    """The value of every declared parameter, and the problems found; a value with a problem is left at its default.

    owner: how messages name it (``stack minio``). Strings are converted, as flags and environment give them.
    """
    values = {name: param.default for name, param in declared.items()}
    problems: list[MlstackError] = []
    for name, value in given.items():
        place = place_of(name) if place_of else Place(path=name)
        if name not in declared:
            problems.append(_unknown(owner, name, list(declared), place))
            continue
        try:
            values[name] = convert(declared[name], value)
        except ValueError as error:
            problems.append(_wrong(owner, name, declared[name], str(error), place))
    return values, problems


def convert(param: Param, value: Any) -> Any:
    """The value in the parameter's type. Raises ValueError with the reason when it is not valid."""
    typed = _CONVERTERS[param.type](value)
    if param.type in ("integer", "number"):
        _check_bounds(param, typed)
    for item in typed if isinstance(typed, list) else [typed]:
        if isinstance(item, str):
            _check_text(param, item)
    return typed


def _check_bounds(param: Param, value: float) -> None:
    if param.min is not None and value < param.min:
        raise ValueError(f"{value} is less than the least value {param.min:g}")
    if param.max is not None and value > param.max:
        raise ValueError(f"{value} is more than the greatest value {param.max:g}")


def _check_text(param: Param, value: str) -> None:
    if param.values and value not in param.values:
        raise ValueError(f"'{value}' is none of {', '.join(param.values)}; {did_you_mean(value, param.values)}")
    if param.pattern and not re.fullmatch(param.pattern, value):
        raise ValueError(f"'{value}' does not match {param.pattern}")


def _string(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"expected a string, got {_kind(value)}")
    return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {_kind(value)}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, got {_kind(value)}")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"expected true or false, got {_kind(value)}")


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"expected a quantity such as 512Mi or 250m, got {_kind(value)}")
    try:
        quantity(value)
    except ValueError:
        raise ValueError(f"'{value}' is not a quantity such as 512Mi or 250m") from None
    return str(value)


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list, got {_kind(value)}")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            raise ValueError(f"expected a list of strings, got {_kind(item)} in it")
    return [str(item) for item in value]


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "quantity": _quantity,
    "list": _list,
}


def _kind(value: Any) -> str:
    names = {type(None): "nothing", dict: "a mapping", list: "a list", bool: "a boolean", str: f"'{value}'"}
    return names.get(type(value), repr(value))


def _unknown(owner: str, name: str, known: list[str], place: Place) -> MlstackError:
    return MlstackError(
        "config.unknown-param",
        f"{owner} has no parameter '{name}'",
        remedy=did_you_mean(name, known) or f"{owner} takes no parameters",
        place=place,
        exit_code=ExitCode.USAGE,
    )


def _wrong(owner: str, name: str, param: Param, why: str, place: Place) -> MlstackError:
    return MlstackError(
        "config.bad-param",
        f"{owner}: parameter '{name}' is not valid",
        why=why,
        remedy=f"{param.doc} (default: {param.default})",
        place=place,
        exit_code=ExitCode.USAGE,
    )
