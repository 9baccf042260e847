"""Hyperband's halving: rungs, who goes up, and that it never waits."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack_suggest.halving import Halving, Ladder, ladder_of
from mlstack_suggest.search import Experiment, Search, Seen, check
from mlstack_suggest.space import BadExperiment, parameter

EPOCHS = parameter("epochs", "int", "1", "27")
RATE = parameter("rate", "double", "0.1", "1")
SPACE = (EPOCHS, RATE, parameter("kind", "categorical", values=["a", "b"]))
GIVEN = {"r_l": "27", "resource_name": "epochs"}


@pytest.mark.parametrize(
    ("given", "space", "rungs"),
    [
        ({}, SPACE, ("1", "3", "9", "27")),
        ({"eta": "2", "r_l": "10"}, SPACE, ("1", "2", "5", "10")),
        ({}, (parameter("epochs", "int", "5", "27"),), ("9", "27")),
        ({"r_l": "0.9", "resource_name": "rate"}, SPACE, ("0.1", "0.3", "0.9")),
        ({"r_l": "1", "resource_name": "rate", "eta": "2"}, SPACE, ("0.125", "0.25", "0.5", "1.0")),
    ],
)
def test_the_rungs_go_down_from_the_most(given, space, rungs) -> None:
    found = ladder_of({**GIVEN, **given}, space).rungs
    assert [float(one) for one in found] == pytest.approx([float(one) for one in rungs])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"r_l": "27"}, "needs the setting resource_name"),
        ({"resource_name": "epochs"}, "needs the setting r_l"),
        ({**GIVEN, "resource_name": "kind"}, "kind is no parameter of type int or double"),
        ({**GIVEN, "resource_name": "nothing"}, "nothing is no parameter"),
        ({**GIVEN, "r_l": "28"}, "28 is not within the 1 to 27 of epochs"),
        ({**GIVEN, "eta": "1"}, "from 2 on"),
        ({**GIVEN, "s_max": "3"}, "has no setting s_max"),
        ({**GIVEN, "random_state": "x"}, "'x' is not a number"),
    ],
)
def test_what_cannot_be_halved_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(BadExperiment, match=said):
        check(Experiment("hyperband", SPACE, given))


def numbered() -> Halving:
    numbers = itertools.count()
    return Halving(Ladder("r", ("1", "3", "9"), 3), lambda: {"r": "?", "x": str(next(numbers))}, better_is_more=True)


def test_one_of_three_goes_up_and_only_once() -> None:
    halving = numbered()
    first = halving.next([], [], 3)
    assert [point["r"] for point in first] == ["1", "1", "1"]
    ended = [(point, float(point["x"])) for point in first]
    up, fresh = halving.next(ended, [], 2)
    assert up == {"r": "3", "x": "2"} and fresh["r"] == "1"
    assert halving.next(ended, [up], 1)[0]["r"] == "1", "it is on its way"
    assert numbered().next(ended, [up], 1)[0]["r"] == "1", "also for a process that was started anew"


def test_the_highest_rung_comes_first_and_failed_trials_count_as_tried() -> None:
    ended = [({"r": "3", "x": str(n)}, float(n)) for n in range(3)] + [
        ({"r": "1", "x": str(n)}, None) for n in range(9)
    ]
    assert numbered().next(ended, [], 1) == [{"r": "9", "x": "2"}]
    assert numbered().next(ended[3:], [], 1)[0]["r"] == "1", "nobody of those that failed goes up"


def test_less_is_better_where_it_is_minimized() -> None:
    ended = [({"r": "1", "x": str(n)}, float(n)) for n in range(3)]
    halving = Halving(Ladder("r", ("1", "3"), 3), lambda: {"x": "9"}, better_is_more=False)
    assert halving.next(ended, [], 1) == [{"r": "3", "x": "0"}]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(16, 60))
def test_it_never_waits_and_spends_most_where_it_pays(parallel: int, most: int) -> None:
    search = Search(Experiment("hyperband", SPACE, {**GIVEN, "random_state": "1"}, maximize=True, most=most))
    ended: list[Seen] = []
    running: list[dict[str, str]] = []
    while len(ended) + len(running) < most or running:
        wanted = min(parallel - len(running), most - len(ended) - len(running))
        if wanted > 0:
            points = search.next(ended, len(ended) + len(running), wanted, running)
            assert len(points) == wanted
            running += [dict(point) for point in points]
        point = running.pop(0)
        ended.append(Seen(f"t{len(ended)}", point, float(point["rate"])))
    rungs = Counter(one.point["epochs"] for one in ended)
    assert rungs["1"] >= rungs["3"] >= rungs["9"] >= rungs["27"]
    assert rungs["3"] >= 1
