from __future__ import annotations

import pytest

from mlstack_suggest.search import Experiment, Search, Seen, check
from mlstack_suggest.space import BadExperiment, parameter

X = parameter("x", "double", "-1", "1")
N = parameter("n", "int", "0", "9")
C = parameter("c", "categorical", values=["a", "b"])


def run(experiment: Experiment, trials: int, objective, start: tuple[Seen, ...] = ()) -> list[Seen]:
    """Tries points one at a time, as Katib would."""
    search, seen = Search(experiment), list(start)
    for number in range(trials):
        point = search.next(seen, len(seen), 1)[0]
        seen.append(Seen(f"trial-{number}", point, objective(point)))
    return seen


def parabola(point) -> float:
    return (float(point["x"]) - 0.3) ** 2


@pytest.mark.parametrize("algorithm", ["random", "tpe", "multivariate-tpe"])
def test_points_are_within_the_space_and_a_seed_repeats_them(algorithm) -> None:
    experiment = Experiment(algorithm, (X, N, C), {"random_state": "7"})
    points = Search(experiment).next([], 0, 8)
    assert points == Search(experiment).next([], 0, 8)
    for point in points:
        assert -1 <= float(point["x"]) <= 1
        assert int(point["n"]) in range(10), "an int is written without a point"
        assert point["c"] in ("a", "b")
    assert len({point["x"] for point in points}) == 8


def test_tpe_finds_the_minimum_and_the_maximum() -> None:
    settings = {"random_state": "1", "n_startup_trials": "5"}
    low = run(Experiment("tpe", (X,), settings), 40, parabola)
    assert min(seen.value for seen in low) < 0.002
    high = run(Experiment("tpe", (X,), settings, maximize=True), 40, parabola)
    assert max(seen.value for seen in high) > 1.6
    half = len(low) // 2
    assert sum(seen.value for seen in low[half:]) < sum(seen.value for seen in low[:half]), "it learns"


def test_after_a_restart_what_was_learned_is_there() -> None:
    experiment = Experiment("tpe", (X,), {"random_state": "1", "n_startup_trials": "5"})
    before = tuple(run(experiment, 30, parabola))
    points = Search(experiment).next(before, len(before), 5)
    fresh = Search(experiment).next([], 0, 5)
    assert sum(map(parabola, points)) < sum(map(parabola, fresh)) / 2


def test_failed_and_repeated_trials_do_no_harm() -> None:
    search = Search(Experiment("tpe", (N,), {"random_state": "1", "n_startup_trials": "2"}))
    points = search.next([], 0, 3)
    seen = [Seen("a", points[0], None), Seen("b", points[1], 2.0), Seen("elsewhere", {"n": "4"}, None)]
    assert len(search.next(seen, 3, 2)) == 2
    assert len(search.next([*seen, Seen("c", points[2], 1.0)], 5, 2)) == 2


def test_the_grid_is_tried_once_and_needs_no_memory() -> None:
    experiment = Experiment("grid", (C, parameter("n", "int", "1", "3")), most=6)
    first = Search(experiment).next([], 0, 4)
    rest = Search(experiment).next([], 4, 2)
    assert len({tuple(point.items()) for point in [*first, *rest]}) == 6
    with pytest.raises(BadExperiment, match="no more points after 6"):
        Search(experiment).next([], 5, 2)


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        (
            Experiment("simplex", (X,)),
            "algorithm simplex is not one of bayesianoptimization, grid, hyperband, multivariate-tpe, random, tpe",
        ),
        (Experiment("tpe", ()), "spec.parameters is empty"),
        (Experiment("random", (X,), {"seed": "1"}), "no setting seed; it has: random_state"),
        (Experiment("tpe", (X,), {"n_startup_trials": "1.5"}), "'1.5' is not a whole number"),
        (Experiment("tpe", (X,), {"random_state": "-1"}), "'-1' is not a whole number"),
        (Experiment("grid", (C,), most=3), "maxTrialCount 3 is more than the 2 points"),
        (Experiment("grid", (X,), most=3), "needs feasibleSpace.step"),
    ],
)
def test_an_experiment_that_cannot_be_searched_is_refused(experiment, told) -> None:
    with pytest.raises(BadExperiment, match=told):
        check(experiment)
