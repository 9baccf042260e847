"""The algorithms: which settings they take, and the next points. Knows nothing of how it is asked."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from mlstack_suggest.bayessettings import BAYES, bayes_settings
from mlstack_suggest.halving import HYPERBAND, SETTINGS, Halving, ladder_of
from mlstack_suggest.space import BadExperiment, Parameter, Problems, grid_points, grid_size, whole

if TYPE_CHECKING:
    from mlstack_suggest.bayes import Bayes

GRID = "grid"
Point = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is searched. maximize: the direction; most: the trials it may have at most, 0 for no bound; name: what it is called."""

    algorithm: str
    space: tuple[Parameter, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    maximize: bool = False
    most: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial that ended. value: of the objective; None when it failed or told none."""

    name: str
    point: Point
    value: float | None


def _tpe(settings: Mapping[str, int], multivariate: bool) -> BaseSampler:
    return TPESampler(
        seed=settings.get("random_state"),
        n_startup_trials=settings.get("n_startup_trials", 10),
        n_ei_candidates=settings.get("n_ei_candidates", 24),
        multivariate=multivariate,
        # points that are being tried count as bad ones, or trials beside each other would be nearly the same
        constant_liar=True,
    )


_TPE = ("random_state", "n_startup_trials", "n_ei_candidates")
ALGORITHMS: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, int]], BaseSampler] | None]] = {
    GRID: ((), None),
    "random": (("random_state",), lambda settings: RandomSampler(seed=settings.get("random_state"))),
    "tpe": (_TPE, lambda settings: _tpe(settings, multivariate=False)),
    "multivariate-tpe": (_TPE, lambda settings: _tpe(settings, multivariate=True)),
    # new points of it are random ones
    HYPERBAND: (SETTINGS, lambda settings: RandomSampler(seed=settings.get("random_state"))),
}
"""Algorithm -> (its settings, all whole numbers from 0 on but Hyperband's own; its sampler of Optuna, None for the grid)."""


def check_settings(algorithm: str, given: Mapping[str, str]) -> dict[str, int]:
    """The settings of an algorithm that are whole numbers. Raises BadExperiment with all that is wrong with any of them."""
    if algorithm == BAYES:
        bayes_settings(given)
        return {}
    if algorithm not in ALGORITHMS:
        raise BadExperiment(f"algorithm {algorithm} is not one of {', '.join(sorted([*ALGORITHMS, BAYES]))}")
    allowed, problems = ALGORITHMS[algorithm][0], Problems()
    found: dict[str, int] = {}
    for name, text in given.items():
        if name not in allowed:
            problems.add(f"algorithm {algorithm} has no setting {name}; it has: {', '.join(allowed) or 'none'}")
        elif algorithm != HYPERBAND or name == "random_state":
            with problems.noting():
                found[name] = whole(text, f"setting {name}")
    problems.raise_any()
    return found


def check(experiment: Experiment) -> dict[str, int]:
    """The settings as numbers. Raises BadExperiment with all that is wrong."""
    problems, found = Problems(), {}
    with problems.noting():
        found = check_settings(experiment.algorithm, experiment.settings)
    with problems.noting():
        _check_space(experiment)
    problems.raise_any()
    return found


def _check_space(experiment: Experiment) -> None:
    if not experiment.space:
        raise BadExperiment("spec.parameters is empty")
    if experiment.algorithm == HYPERBAND:
        ladder_of(experiment.settings, experiment.space)
    if experiment.algorithm == GRID:
        size = grid_size(experiment.space)
        if experiment.most > size:
            raise BadExperiment(
                f"maxTrialCount {experiment.most} is more than the {size} points of the grid; lower it or make steps smaller"
            )


class Search:
    """The search of one experiment. It survives a restart of the process: trials that it did not hand out are taken in."""

    def __init__(self, experiment: Experiment) -> None:
        """Raises BadExperiment."""
        settings = check(experiment)
        self._experiment = experiment
        make = ALGORITHMS[experiment.algorithm][1] if experiment.algorithm != BAYES else None
        self._bayes = _bayes(experiment) if experiment.algorithm == BAYES else None
        self._study = (
            optuna.create_study(sampler=make(settings), direction="maximize" if experiment.maximize else "minimize")
            if make
            else None
        )
        self._distributions = {one.name: _distribution(one) for one in experiment.space}
        self._halving = (
            Halving(ladder_of(experiment.settings, experiment.space), self._drawn, experiment.maximize)
            if experiment.algorithm == HYPERBAND
            else None
        )
        self._open: dict[tuple[tuple[str, str], ...], list[int]] = {}
        self._told: set[str] = set()

    def next(self, seen: Sequence[Seen], handed_out: int, count: int, running: Sequence[Point] = ()) -> list[Point]:
        """``count`` more points. seen: every trial that ended; handed_out: points given so far, also before a restart; running:
        the points of trials that did not end yet.

        Raises BadExperiment where a grid has no more.
        """
        if self._bayes is not None:
            return self._bayes.next([(one.point, one.value) for one in seen], running, handed_out, count)
        if self._halving is not None:
            return self._halving.next([(one.point, one.value) for one in seen], running, count)
        if self._study is None:
            points = list(itertools.islice(grid_points(self._experiment.space, handed_out), count))
            if len(points) < count:
                raise BadExperiment(f"the grid has no more points after {handed_out + len(points)}")
            return points
        for trial in seen:
            self._tell(self._study, trial)
        return [self._ask(self._study) for _ in range(count)]

    def _drawn(self) -> Point:
        """A new point, of which nothing need be told."""
        assert self._study is not None, "it has a sampler"  # noqa: S101
        params = self._study.ask(self._distributions).params
        return {one.name: one.text(params[one.name]) for one in self._experiment.space}

    def _ask(self, study: optuna.Study) -> Point:
        trial = study.ask(self._distributions)
        point = {one.name: one.text(trial.params[one.name]) for one in self._experiment.space}
        self._open.setdefault(_key(point), []).append(trial.number)
        return point

    def _tell(self, study: optuna.Study, trial: Seen) -> None:
        if trial.name in self._told:
            return
        self._told.add(trial.name)
        waiting = self._open.get(_key(trial.point))
        if waiting and trial.value is not None:
            study.tell(waiting.pop(0), trial.value)
        elif waiting:
            study.tell(waiting.pop(0), state=TrialState.FAIL)
        elif trial.value is not None:
            study.add_trial(self._taken_in(trial))

    def _taken_in(self, trial: Seen) -> optuna.trial.FrozenTrial:
        params: dict[str, object] = {}
        for one in self._experiment.space:
            text = trial.point[one.name]
            params[one.name] = text if one.listed else int(text) if one.kind == "int" else float(text)
        return create_trial(params=params, distributions=self._distributions, value=trial.value)


def _bayes(experiment: Experiment) -> Bayes:
    # scikit-learn takes a second and 100 MB, which the other searches need not
    from mlstack_suggest.bayes import Bayes

    settings, seed = bayes_settings(experiment.settings), zlib.crc32(experiment.name.encode())
    return Bayes(settings, experiment.space, experiment.maximize, seed=seed if settings.seed is None else settings.seed)


def _key(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(point.items()))


def _distribution(one: Parameter) -> BaseDistribution:
    if one.listed:
        return CategoricalDistribution(one.values)
    # a step and a logarithm do not go together; the step is what somebody wrote on purpose
    log = one.log and not one.step
    if one.kind == "int":
        return IntDistribution(int(one.low), int(one.high), step=int(one.step) or 1, log=log)
    return FloatDistribution(one.low, one.high, step=one.step or None, log=log)
