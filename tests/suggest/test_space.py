from __future__ import annotations

import pytest

from mlstack_suggest.space import BadExperiment, grid_points, grid_size, grid_values, parameter


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (parameter("n", "int", "1", "7", "3"), ["1", "4", "7"]),
        (parameter("n", "int", "1", "3"), ["1", "2", "3"]),
        (parameter("n", "int", "2", "2"), ["2"]),
        (parameter("lr", "double", "0.01", "0.03", "0.01"), ["0.01", "0.02", "0.03"]),
        (parameter("lr", "double", "0.1", "0.75", "0.3"), ["0.1", "0.4", "0.7"]),
        (parameter("lr", "double", "0.5", "0.5"), ["0.5"]),
        (parameter("d", "discrete", values=["0.1", "1e-3"]), ["0.1", "1e-3"]),
        (parameter("c", "categorical", values=["adam", "sgd"]), ["adam", "sgd"]),
    ],
)
def test_every_value_of_a_grid(one, values) -> None:
    assert grid_values(one) == values


def test_a_grid_goes_on_where_it_was() -> None:
    space = [parameter("c", "categorical", values=["a", "b"]), parameter("n", "int", "1", "3")]
    everything = list(grid_points(space, 0))
    assert len(everything) == grid_size(space) == 6
    assert everything[0] == {"c": "a", "n": "1"}
    assert len({tuple(sorted(point.items())) for point in everything}) == 6
    assert list(grid_points(space, 4)) == everything[4:]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "double", "low": "a", "high": "1"}, "feasibleSpace.min: 'a' is not a number"),
        ({"kind": "double", "low": "0", "high": "inf"}, "'inf' is not finite"),
        ({"kind": "double", "low": "2", "high": "1"}, "min 2 is above max 1"),
        ({"kind": "double", "low": "0", "high": "1", "step": "-1"}, "step: -1 is below 0"),
        ({"kind": "double", "low": "0", "high": "1", "log": True}, "needs a min above 0"),
        ({"kind": "int", "low": "0.5", "high": "1"}, "whole numbers"),
        ({"kind": "categorical"}, "list has no values"),
        ({"kind": "categorical", "values": ["a", "a"]}, "twice"),
        ({"kind": "discrete", "values": ["a"]}, "'a' is not a number"),
    ],
)
def test_what_is_wrong_is_named(given, told) -> None:
    with pytest.raises(BadExperiment, match=f"^parameter x: .*{told}") as caught:
        parameter("x", **given)
    assert "x" in str(caught.value)


def test_a_grid_without_end_is_refused() -> None:
    with pytest.raises(BadExperiment, match=r"needs feasibleSpace\.step"):
        grid_values(parameter("x", "double", "0", "1"))
    with pytest.raises(BadExperiment, match="gives 1000001 values"):
        grid_values(parameter("x", "int", "0", "1000000"))
