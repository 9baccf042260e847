"""Parameters: conversion, bounds, suggestions, everything at once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack.core.budget import quantity
from mlstack.core.errors import Place
from mlstack.core.stackfile import Param
from mlstack.core.values import check_values, convert


def param(kind: str, **fields) -> Param:
    return Param(type=kind, default=fields.pop("default", None), doc="what it is for", **fields)


@pytest.mark.parametrize(
    ("declared", "given_value", "expected"),
    [
        (param("integer"), "12", 12),
        (param("integer"), -3, -3),
        (param("number"), "1.5e3", 1500.0),
        (param("number"), 2, 2),
        (param("boolean"), "True", True),
        (param("boolean"), False, False),
        (param("string"), 8080, "8080"),
        (param("quantity"), "512Mi", "512Mi"),
        (param("quantity"), 2, "2"),
        (param("list"), "a, b,,c", ["a", "b", "c"]),
        (param("list"), ["a", 1], ["a", "1"]),
        (param("string", values=["mysql", "mariadb"]), "mariadb", "mariadb"),
        (param("integer", min=1, max=3), 3, 3),
    ],
)
def test_converts_what_is_valid(declared: Param, given_value, expected) -> None:
    assert convert(declared, given_value) == expected


@pytest.mark.parametrize(
    ("declared", "given_value", "reason"),
    [
        (param("integer"), "1.5", "whole number"),
        (param("integer"), True, "whole number"),
        (param("integer", min=1), 0, "less than the least value 1"),
        (param("number", max=1), 1.1, "more than the greatest value 1"),
        (param("number"), "nan", "a number"),
        (param("number"), "inf", "a number"),
        (param("boolean"), "yes", "true or false"),
        (param("boolean"), 1, "true or false"),
        (param("string"), {"a": 1}, "a mapping"),
        (param("string"), True, "a boolean"),
        (param("string"), None, "nothing"),
        (param("string", values=["mysql", "mariadb"]), "mysq", "did you mean 'mysql'?"),
        (param("string", pattern="[a-z]+"), "aB", "does not match"),
        (param("list", pattern="[a-z]+"), ["ok", "No"], "does not match"),
        (param("list"), [["x"]], "a list in it"),
        (param("quantity"), "12 MB", "not a quantity"),
        (param("quantity"), "Mi", "not a quantity"),
    ],
)
def test_refuses_what_is_not(declared: Param, given_value, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("?", r"\?")):
        convert(declared, given_value)


def test_tells_every_problem_with_its_place_and_keeps_the_defaults() -> None:
    declared = {"size": param("quantity", default="1Gi"), "console": param("boolean", default=True)}
    values, problems = check_values(
        "stack minio",
        declared,
        {"sise": "2Gi", "console": 3, "size": "4Gi"},
        lambda name: Place("mlstack.yaml", 7, name),
    )
    assert values == {"size": "4Gi", "console": True}
    assert [problem.code for problem in problems] == ["config.unknown-param", "config.bad-param"]
    assert problems[0].remedy == "did you mean 'size'?"
    assert str(problems[0].place) == "mlstack.yaml:7 sise"
    assert "what it is for" in problems[1].remedy


def test_a_stack_without_params_says_so() -> None:
    _, problems = check_values("stack x", {}, {"size": 1})
    assert problems[0].remedy == "stack x takes no parameters"


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.lists(st.text()),
        st.dictionaries(st.text(), st.text()),
    )
)
def test_any_value_converts_or_is_a_value_error(value) -> None:
    for kind in ("string", "integer", "number", "boolean", "quantity", "list"):
        try:
            convert(param(kind, min=0, max=10), value)
        except ValueError as error:
            assert str(error)


@given(
    st.integers(0, 10**6),
    st.sampled_from([("", 1), ("m", Decimal("0.001")), ("Ki", 1024), ("G", 10**9), ("Ti", 2**40)]),
)
def test_quantities_scale_by_their_unit(number: int, unit) -> None:
    assert quantity(f"{number}{unit[0]}") == Decimal(number) * Decimal(unit[1])
