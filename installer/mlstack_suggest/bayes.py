"""Bayesian optimization: the next points by a model of the objective. What it says follows from the trials alone.

After J. Snoek et al., "Practical Bayesian Optimization of Machine Learning Algorithms", 2012. Points that are being tried count as
if they had reached the best value so far (D. Ginsbourger et al., "Kriging Is Well-Suited to Parallelize Optimization", 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm, qmc

from mlstack_suggest.bayessettings import BayesSettings
from mlstack_suggest.encoding import Encoding, Point, Rows
from mlstack_suggest.space import Parameter
from mlstack_suggest.surrogates import Numbers, Prediction, Surrogate, surrogate

CANDIDATES, NEAR, STARTS = 1000, 300, 5
"""Points drawn and judged; more of them near the best known; those that are made better step by step."""
HEDGED, REPLAYED = 200, 3
"""Points and last values by which the ways to judge are compared."""
XI, KAPPA = 0.01, 1.96
"""How much better a point should be to count as better, in standard deviations of the values; how many of its own it may be off."""
SLOPE = 1e-5
_Key = tuple[tuple[str, str], ...]


def improvement(mean: Numbers, deviation: Numbers, best: float) -> Numbers:
    """EI: by how much a point is expected to be better."""
    gain, by = best - XI - mean, np.maximum(deviation, 1e-9)
    return np.asarray(gain * norm.cdf(gain / by) + by * norm.pdf(gain / by))


def probability(mean: Numbers, deviation: Numbers, best: float) -> Numbers:
    """PI: how likely a point is better."""
    return np.asarray(norm.cdf((best - XI - mean) / np.maximum(deviation, 1e-9)))


def bound(mean: Numbers, deviation: Numbers, best: float) -> Numbers:
    """LCB: the value a point may well reach, less being better."""
    del best
    return KAPPA * deviation - mean


Acquisition = Callable[[Numbers, Numbers, float], Numbers]
ACQUISITIONS: dict[str, Acquisition] = {"LCB": bound, "EI": improvement, "PI": probability}
"""Name -> how promising points are (more is better) by their expected values, deviations and the best value known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known. values: standardized, less is better; making: makes models of such values."""

    rows: Rows
    values: Numbers
    making: Surrogate


class Bayes:
    """The search of one experiment. seed: decides about all that is drawn."""

    def __init__(self, settings: BayesSettings, space: Sequence[Parameter], maximize: bool, seed: int) -> None:
        self._settings, self._sign, self._seed = settings, -1.0 if maximize else 1.0, seed
        self._encoding = Encoding(space)
        self._given: dict[int, Point] = {}

    def next(
        self, ended: Sequence[tuple[Point, float | None]], running: Sequence[Point], handed_out: int, count: int
    ) -> list[Point]:
        """``count`` points. ended: trials with their values, None where a trial told none; running: the others that there are;
        handed_out: points given so far, also before a restart."""
        # what was given beyond that never arrived: it is asked for again
        self._given = {number: point for number, point in self._given.items() if number < handed_out}
        taken = {_key(point) for point in [*running, *(point for point, _ in ended)]}
        # given and not among the trials: not begun yet, or without any metrics, of which Katib is silent
        lost = [point for point in self._given.values() if _key(point) not in taken]
        failed = [point for point, value in ended if value is None]
        known = self._known([(point, value) for point, value in ended if value is not None], [*failed, *lost])
        taken |= {_key(point) for point in lost}
        found: list[Point] = []
        for number in range(handed_out, handed_out + count):
            if known is None or number < self._settings.begin:
                point = self._begun(number, taken)
            else:
                point = self._promising(known, [*running, *found], number, taken)
            self._given[number] = point
            taken.add(_key(point))
            found.append(point)
        return found

    def _known(self, good: Sequence[tuple[Point, float]], bad: Sequence[Point]) -> Known | None:
        """None while there is no value. bad: points that count as the worst one."""
        if not good:
            return None
        values = np.array([self._sign * value for _, value in good])
        values = np.concatenate([values, np.full(len(bad), values.max())])
        with np.errstate(over="ignore"):  # of values of 1e200 nothing is left, which is no reason to end
            spread = float(values.std())
        # what does not differ has nothing to be measured with
        values = (values - values.mean()) / (spread if spread > 1e-12 * (1 + abs(float(values.mean()))) else 1.0)
        rows = self._encoding.rows([*(point for point, _ in good), *bad])
        return Known(rows, values, surrogate(self._settings.estimator, rows, values, self._seed))

    def _begun(self, number: int, taken: set[_Key]) -> Point:
        """A point by its number alone: spread evenly, the same after a restart."""
        even = qmc.Halton(len(self._encoding), rng=np.random.default_rng(self._seed))
        point = self._encoding.drawn(even.fast_forward(number).random(1)[0])
        if _key(point) not in taken:
            return point
        others = self._drawn(number, CANDIDATES)
        return next((other for other in others if _key(other) not in taken), point)

    def _drawn(self, number: int, count: int) -> list[Point]:
        generator = np.random.default_rng([self._seed, number])
        return [self._encoding.drawn(uniform) for uniform in generator.random((count, len(self._encoding)))]

    def _near(self, known: Known, number: int) -> list[Point]:
        """Points near the best ones: a model of trees has no slope that would lead to them."""
        generator = np.random.default_rng([self._seed, number, 2])
        best = known.rows[np.argsort(known.values, kind="stable")[:STARTS]]
        centres = best[generator.integers(len(best), size=NEAR)]
        # from a hundredth of the space to half of it, which also changes words
        far = 10 ** generator.uniform(-2, -0.3, (NEAR, 1))
        return [self._encoding.point(row.tolist()) for row in centres + far * generator.standard_normal(centres.shape)]

    def _promising(self, known: Known, trying: Sequence[Point], number: int, taken: set[_Key]) -> Point:
        rows, values = known.rows, known.values
        if trying:
            rows = np.concatenate([rows, self._encoding.rows(trying)])
            values = np.concatenate([values, np.full(len(trying), values.min())])
        model, best = known.making.of(rows, values), float(values.min())
        drawn = [*self._drawn(number, CANDIDATES), *self._near(known, number)]
        # a point again tells nothing new, as long as there are others
        fresh = [point for point in drawn if _key(point) not in taken] or drawn
        acquire = ACQUISITIONS[self._chosen(known, model, fresh[:HEDGED], number)]
        judged = self._encoding.rows(fresh)
        scores = acquire(*model(judged), best)
        order = np.argsort(-scores, kind="stable")
        chosen, reached = fresh[int(order[0])], float(scores[order[0]])
        if self._settings.climb and any(self._encoding.moves):
            for start in order[:STARTS]:
                point = self._climbed(judged[int(start)], model, acquire, best)
                score = float(acquire(*model(self._encoding.rows([point])), best)[0])
                if score > reached and _key(point) not in taken:
                    chosen, reached = point, score
        return chosen

    def _climbed(self, start: Numbers, model: Prediction, acquire: Acquisition, best: float) -> Point:
        """Where following the slope from a candidate leads; words stay as they are."""
        moving = np.flatnonzero(self._encoding.moves)

        def cost(at: Numbers) -> tuple[float, Numbers]:
            asked = np.tile(start, (len(moving) + 1, 1))
            asked[:, moving] = at
            steps = np.where(at > 0.5, -SLOPE, SLOPE)
            asked[np.arange(1, len(moving) + 1), moving] += steps
            scores = -acquire(*model(asked), best)
            return float(scores[0]), (scores[1:] - scores[0]) / steps

        found = minimize(cost, start[moving], jac=True, bounds=[(0.0, 1.0)] * len(moving), method="L-BFGS-B")
        row = start.copy()
        row[moving] = found.x
        return self._encoding.point([float(one) for one in row])

    def _chosen(self, known: Known, model: Prediction, candidates: Sequence[Point], number: int) -> str:
        """The way to judge. ``gp_hedge`` draws one, those more often whose choices would have been better.

        After M. Hoffman et al., "Portfolio Allocation for Bayesian Optimization", 2011; that the choices are those of the last
        few values, made again, and judged by what is known now, needs no memory.
        """
        if self._settings.acquire != "gp_hedge":
            return self._settings.acquire
        names, rows = list(ACQUISITIONS), self._encoding.rows(candidates)
        gains = np.zeros(len(names))
        told = len(known.values)
        for size in range(max(told - REPLAYED, 2), told):
            then = known.making.of(known.rows[:size], known.values[:size])(rows)
            best = float(known.values[:size].min())
            picked = rows[[int(np.argmax(ACQUISITIONS[name](*then, best))) for name in names]]
            gains -= model(picked)[0]
        weights = np.exp(gains - gains.max())
        generator = np.random.default_rng([self._seed, number, 1])
        return names[int(generator.choice(len(names), p=weights / weights.sum()))]


def _key(point: Point) -> _Key:
    return tuple(sorted(point.items()))
