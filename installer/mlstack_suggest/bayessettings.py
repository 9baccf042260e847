"""The settings of Bayesian optimization: what they may be, what is wrong with those given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlstack_suggest.space import Problems, whole

BAYES = "bayesianoptimization"
CHOICES = {
    "base_estimator": ("GP", "RF", "ET", "GBRT"),
    "acq_func": ("gp_hedge", "LCB", "EI", "PI"),
    "acq_optimizer": ("auto", "sampling", "lbfgs"),
}
"""Setting -> what it may be, the default first."""
NUMBERS = ("n_initial_points", "random_state")
SETTINGS = (*CHOICES, *NUMBERS)


@dataclass(frozen=True, slots=True)
class BayesSettings:
    """estimator: what models the objective; begin: points before the first model; acquire: how promising a point is;
    climb: whether the best candidates are made better step by step; seed: None where none was given."""

    estimator: str
    begin: int
    acquire: str
    climb: bool
    seed: int | None


def bayes_settings(given: Mapping[str, str]) -> BayesSettings:
    """The checked settings. Raises BadExperiment with all that is wrong."""
    problems, found, numbers = Problems(), {name: each[0] for name, each in CHOICES.items()}, {"n_initial_points": 10}
    for name, text in given.items():
        if name in NUMBERS:
            with problems.noting():
                numbers[name] = whole(text, f"setting {name}")
        elif name not in CHOICES:
            problems.add(f"algorithm {BAYES} has no setting {name}; it has: {', '.join(SETTINGS)}")
        elif text not in CHOICES[name]:
            problems.add(f"setting {name}: '{text}' is not one of {', '.join(CHOICES[name])}")
        else:
            found[name] = text
    estimator, optimizer = found["base_estimator"], found["acq_optimizer"]
    if optimizer == "lbfgs" and estimator != "GP":
        problems.add(f"setting acq_optimizer: lbfgs follows slopes, and {estimator} has none; use sampling or auto")
    problems.raise_any()
    return BayesSettings(
        estimator,
        numbers["n_initial_points"],
        found["acq_func"],
        estimator == "GP" and optimizer != "sampling",
        numbers.get("random_state"),
    )
