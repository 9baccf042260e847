"""Models of an objective of which a few values are known: what it may be elsewhere, and how sure that is. By scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Numbers = NDArray[np.float64]
Prediction = Callable[[Numbers], tuple[Numbers, Numbers]]
"""Rows -> (expected values, standard deviations)."""
TREES, BOOSTS = 100, 30
QUANTILES = (0.16, 0.5, 0.84)
"""One standard deviation below the middle, the middle, one above."""


class Surrogate(Protocol):
    """A way to make a model."""

    smooth: bool
    """Whether a little step in a column changes what is predicted a little."""

    def of(self, rows: Numbers, values: Numbers) -> Prediction:
        """The model of these values."""


class Gaussian:
    """A Gaussian process. Its scales are found once, with the values it is made with; models of other values keep them."""

    smooth = True

    def __init__(self, rows: Numbers, values: Numbers, seed: int) -> None:
        matern = Matern(np.ones(rows.shape[1]), length_scale_bounds=(0.01, 100.0), nu=2.5)
        kernel = ConstantKernel(1.0, (0.01, 1000.0)) * matern + WhiteKernel(1e-3, (1e-8, 1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a scale at its bound: a parameter that does not matter, or too few values
            found = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=seed).fit(rows, values)
        self._kernel: Any = found.kernel_

    def of(self, rows: Numbers, values: Numbers) -> Prediction:
        """With the noise of a single observation left out: what is asked for is how sure the mean is."""
        # jitter, or points beside each other could not be told apart
        model = GaussianProcessRegressor(self._kernel, alpha=1e-8, optimizer=None).fit(rows, values)
        noise = self._kernel.k2.noise_level

        def predict(asked: Numbers) -> tuple[Numbers, Numbers]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # variances that are 0 but for what floats lose
                mean, deviation = model.predict(asked, return_std=True)
            return mean, np.sqrt(np.maximum(deviation**2 - noise, 1e-12))

        return predict


class Forest:
    """Trees beside each other: where they differ, nothing is sure."""

    smooth = False

    def __init__(self, kind: Any, seed: int) -> None:
        self._kind, self._seed = kind, seed

    def of(self, rows: Numbers, values: Numbers) -> Prediction:
        """The variance is that among the trees, which are grown until each leaf has one value."""
        model = self._kind(TREES, random_state=self._seed).fit(rows, values)

        def predict(asked: Numbers) -> tuple[Numbers, Numbers]:
            asked = np.asarray(asked, dtype=np.float32)  # what trees compute with
            means = np.array([tree.predict(asked) for tree in model.estimators_])
            return means.mean(axis=0), means.std(axis=0)

        return predict


class Boosted:
    """Trees after each other, for three quantiles."""

    smooth = False

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, rows: Numbers, values: Numbers) -> Prediction:
        """The middle quantile, and half of what lies between the outer ones."""
        models = [
            GradientBoostingRegressor(loss="quantile", alpha=each, n_estimators=BOOSTS, random_state=self._seed).fit(
                rows, values
            )
            for each in QUANTILES
        ]

        def predict(asked: Numbers) -> tuple[Numbers, Numbers]:
            low, middle, high = (model.predict(asked) for model in models)
            return middle, np.maximum((high - low) / 2, 0.0)

        return predict


def surrogate(kind: str, rows: Numbers, values: Numbers, seed: int) -> Surrogate:
    """The way to make models. kind: GP, RF, ET or GBRT; rows, values: what was observed."""
    if kind == "GP":
        return Gaussian(rows, values, seed)
    if kind == "GBRT":
        return Boosted(seed)
    return Forest({"RF": RandomForestRegressor, "ET": ExtraTreesRegressor}[kind], seed)
