"""Bayesian optimization: that it learns, what it is given, and that its answers follow from the trials alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack_suggest.bayes import bound, improvement, probability
from mlstack_suggest.bayessettings import CHOICES, bayes_settings
from mlstack_suggest.encoding import Encoding
from mlstack_suggest.search import Experiment, Search, Seen, check
from mlstack_suggest.space import BadExperiment, Parameter, parameter
from mlstack_suggest.surrogates import surrogate

RATE = parameter("rate", "double", "0.0001", "1", log=True)
DEPTH = parameter("depth", "int", "1", "9")
WORD = parameter("word", "categorical", values=["relu", "tanh", "none"])
SIZE = parameter("size", "discrete", values=["32", "8", "16", "128"])
SPACE = (RATE, DEPTH, WORD, SIZE)
BAYES = "bayesianoptimization"


def loss(point: Mapping[str, str]) -> float:
    """0 at rate 0.01, depth 6, tanh, 16; everything counts."""
    rate, depth = math.log10(float(point["rate"])) + 2, (int(point["depth"]) - 6) / 4
    word = {"relu": 0.6, "tanh": 0.0, "none": 1.2}[point["word"]]
    return rate**2 + depth**2 + word + abs(math.log2(float(point["size"])) - 4) / 4


def experiment(maximize: bool = False, space: tuple[Parameter, ...] = SPACE, **given: str) -> Experiment:
    return Experiment(BAYES, space, {"random_state": "4", "n_initial_points": "6", **given}, maximize, name="e")


def run(asked: Experiment, trials: int, parallel: int = 1) -> list[Seen]:
    search, seen, sign = Search(asked), list[Seen](), -1 if asked.maximize else 1
    while len(seen) < trials:
        for point in search.next(seen, len(seen), parallel):
            seen.append(Seen(f"t{len(seen):03}", point, sign * loss(point)))
    return seen


def random_best(trials: int) -> float:
    """What random search reaches, in the middle of many tries."""
    tries = [Search(Experiment("random", SPACE, {"random_state": str(seed)})).next([], 0, trials) for seed in range(25)]
    return statistics.median(min(map(loss, points)) for points in tries)


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{"random_state": "1"}, {"random_state": "2", "acq_func": "EI"}, {"acq_func": "LCB", "acq_optimizer": "sampling"}],
)
def test_it_finds_what_random_search_does_not(given: dict[str, str]) -> None:
    seen = run(experiment(**given), 24)
    assert min(one.value for one in seen if one.value is not None) < 0.75 * random_best(24)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["RF", "ET", "GBRT"])
def test_trees_try_better_points_than_random_search(estimator: str) -> None:
    seen = run(experiment(base_estimator=estimator, acq_func="EI"), 16)
    points = Search(Experiment("random", SPACE, {"random_state": "1"})).next([], 0, 200)
    tried = statistics.fmean(one.value for one in seen[8:] if one.value is not None)
    assert tried < 0.8 * statistics.fmean(map(loss, points))


@pytest.mark.slow
def test_the_greatest_is_the_least_turned_round_also_side_by_side() -> None:
    least, greatest = run(experiment(), 12, parallel=3), run(experiment(maximize=True), 12, parallel=3)
    assert [one.point for one in least] == [one.point for one in greatest]
    assert len({tuple(one.point.items()) for one in least}) == 12, "points beside each other differ"


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, {"base_estimator": "ET", "acq_func": "EI"}])
def test_after_a_restart_the_answers_are_the_same(given: dict[str, str]) -> None:
    asked = experiment(n_initial_points="4", **given)
    search, seen = Search(asked), list[Seen]()
    for number in range(5):
        point = search.next(seen, number, 1)[0]
        fresh = Search(asked).next(seen, number, 1)[0]
        assert fresh == point
        seen.append(Seen(f"t{number}", point, None if number == 2 else loss(point)))
    running = search.next(seen, 5, 1)
    points = search.next(seen, 6, 2, running)
    assert Search(asked).next(seen, 6, 2, running) == points
    assert search.next(seen, 6, 2, running) == points, "an answer that was lost is given again"
    assert Search(asked).next([], 0, 2) == [one.point for one in seen[:2]]


def test_without_a_seed_an_experiments_name_decides() -> None:
    first, again, other = (Experiment(BAYES, SPACE, {}, name=name) for name in ("a", "a", "b"))
    assert Search(first).next([], 0, 3) == Search(again).next([], 0, 3) != Search(other).next([], 0, 3)


def test_points_that_are_tried_or_failed_are_not_tried_again() -> None:
    space = (parameter("n", "int", "0", "7"),)
    asked = experiment(space=space, n_initial_points="2")
    search = Search(asked)
    first = search.next([], 0, 4)
    assert len({point["n"] for point in first}) == 4
    seen = [Seen("a", first[0], 3.0), Seen("b", first[1], None)]
    more = search.next(seen, 4, 4, [first[2]])  # of the fourth nothing is told: Katib leaves out trials without metrics
    assert {point["n"] for point in [*first, *more]} == set("01234567")
    assert int(search.next(seen, 8, 1, [first[2]])[0]["n"]) in range(8), "where all were tried, one comes again"


def test_where_every_trial_failed_the_next_ones_are_spread() -> None:
    search, seen = Search(experiment(n_initial_points="0")), list[Seen]()
    for number in range(4):
        seen.append(Seen(f"t{number}", search.next(seen, number, 1)[0], None))
    assert len({one.point["rate"] for one in seen}) == 4


@pytest.mark.parametrize("values", [[1.0] * 4, [1e300, 1e-300, 0.0, -1e300], [1e9, 1e9 + 1e-7, 1e9, 1e9]])
def test_values_without_any_measure_do_no_harm(values: list[float]) -> None:
    search = Search(experiment(n_initial_points="4"))
    seen = [Seen(f"t{n}", point, values[n]) for n, point in enumerate(search.next([], 0, 4))]
    assert len(search.next(seen, 4, 2)) == 2


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            *SPACE,
            parameter("d", "double", "-3", "5"),
            parameter("s", "double", "0", "1", "0.3"),
            parameter("sl", "double", "1", "2", "0.25", log=True),
            parameter("il", "int", "1", "1000", log=True),
            parameter("is", "int", "-5", "6", "3"),
            parameter("one", "int", "4", "4"),
            parameter("same", "double", "2", "2", log=True),
            parameter("only", "categorical", values=["x"]),
            parameter("sole", "discrete", values=["7"]),
        ]
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_a_point_and_its_row_are_the_same(one: Parameter, uniform: float) -> None:
    encoding = Encoding((one,))
    point = encoding.drawn([uniform])
    row = encoding.row(point)
    assert all(-1e-9 <= column <= 1 + 1e-9 for column in row) and len(row) == len(encoding.moves)
    if one.listed:
        assert encoding.point(row) == point and point[one.name] in one.values
        return
    found, value = float(encoding.point(row)[one.name]), float(point[one.name])
    assert found == pytest.approx(value, rel=1e-9, abs=1e-12) and one.low <= value <= one.high
    if one.step:
        assert ((value - one.low) / one.step) % 1 == pytest.approx(0, abs=1e-6)
    assert one.kind != "int" or "." not in point[one.name]


def test_values_that_can_be_counted_are_drawn_evenly_and_discrete_ones_are_in_order() -> None:
    encoding = Encoding((DEPTH, SIZE))
    points = [encoding.drawn([(n + 0.5) / 36, (n + 0.5) / 36]) for n in range(36)]
    assert [point["depth"] for point in points] == [str(1 + n // 4) for n in range(36)]
    assert [point["size"] for point in points] == [("8", "16", "32", "128")[n // 9] for n in range(36)]


def test_a_logarithm_spreads_the_orders_of_magnitude() -> None:
    encoding = Encoding((RATE,))
    assert float(encoding.drawn([0.5])["rate"]) == pytest.approx(0.01)
    assert encoding.row({"rate": "0.001"}) == pytest.approx([0.25])


def test_the_ways_to_judge_by_their_formulas() -> None:
    mean, deviation = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    # best 0.01 with the margin of 0.01: the first lies exactly there
    assert improvement(mean, deviation, 0.01) == pytest.approx([1 / math.sqrt(2 * math.pi), 0])
    assert probability(mean, deviation, 0.01) == pytest.approx([0.5, 0])
    assert bound(mean, deviation, 0.01) == pytest.approx([1.96, -1])


@pytest.mark.parametrize("kind", CHOICES["base_estimator"])
def test_models_know_what_they_saw_and_how_sure_they_are(kind: str) -> None:
    rows = np.linspace(0, 0.5, 12).reshape(-1, 1)
    predict = surrogate(kind, rows, rows[:, 0] * 4 - 1, 1).of(rows, rows[:, 0] * 4 - 1)
    mean, deviation = predict(np.array([[0.1], [0.4]]))
    assert mean == pytest.approx([-0.6, 0.6], abs=0.35) and (deviation >= 0).all() and np.isfinite(deviation).all()
    if kind == "GP":
        assert predict(np.array([[1.0]]))[1][0] > 5 * deviation.max(), "far away it knows less"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"base_estimator": "gp"}, "setting base_estimator: 'gp' is not one of GP, RF, ET, GBRT"),
        ({"acq_func": "EIps"}, "setting acq_func: 'EIps' is not one of gp_hedge, LCB, EI, PI"),
        ({"acq_optimizer": "lbfgs", "base_estimator": "RF"}, "lbfgs follows slopes, and RF has none"),
        ({"n_initial_points": "-1"}, "setting n_initial_points: '-1' is not a whole number"),
        ({"random_state": str(2**32)}, "is not a whole number from 0 on, at most 4294967295"),
        (
            {"xi": "1"},
            "has no setting xi; it has: base_estimator, acq_func, acq_optimizer, n_initial_points, random_state",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(BadExperiment, match=told):
        check(Experiment(BAYES, SPACE, given))


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = {"base_estimator": "SVM", "acq_func": "UCB", "random_state": "x", "more": "1"}
    with pytest.raises(BadExperiment) as caught:
        check(Experiment(BAYES, (), wrong))
    assert [word for word in ("'SVM'", "'UCB'", "'x'", "setting more", "parameters is empty") if word in str(caught.value)] == [
        "'SVM'", "'UCB'", "'x'", "setting more", "parameters is empty"
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_is_taken_and_the_first_is_the_default(name: str) -> None:
    assert bayes_settings({}) == bayes_settings({name: CHOICES[name][0]})
    for choice in CHOICES[name]:
        bayes_settings({name: choice})
