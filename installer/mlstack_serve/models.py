"""Models of the formats that are served: found among the files that were fetched, loaded, asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlstack_serve.errors import BadModel, BadRequest
from mlstack_serve.programs import module_of
from mlstack_serve.tensors import Array


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory. platform: its format; features: how many numbers a row has, 0 where the model does not say."""

    name: str
    platform: str
    features: int
    ask: Callable[[Array], Any]

    def predict(self, rows: Array) -> Array:
        """One prediction a row. Raises BadRequest for rows that the model does not take."""
        if self.features and (rows.ndim != 2 or rows.shape[1] != self.features):
            raise BadRequest(f"model {self.name} takes rows of {self.features} values, got shape {list(rows.shape)}")
        try:
            return np.asarray(self.ask(rows))
        except (ValueError, TypeError) as error:
            raise BadRequest(f"model {self.name} cannot take these rows: {error}") from error


def _sklearn(file: Path) -> tuple[int, Callable[[Array], Any]]:
    import joblib

    model = joblib.load(file)
    if not callable(getattr(model, "predict", None)):
        raise BadModel(f"{file.name} holds a {type(model).__name__}, which has no predict")
    return int(getattr(model, "n_features_in_", 0)), model.predict


def _xgboost(file: Path) -> tuple[int, Callable[[Array], Any]]:
    import xgboost

    booster = xgboost.Booster(model_file=str(file))
    return int(booster.num_features()), lambda rows: booster.inplace_predict(np.asarray(rows, dtype=np.float32))


def _lightgbm(file: Path) -> tuple[int, Callable[[Array], Any]]:
    import lightgbm

    booster = lightgbm.Booster(model_file=str(file))
    return int(booster.num_feature()), booster.predict


def _python(file: Path) -> tuple[int, Callable[[Array], Any]]:
    """A program of the user's: ``load(directory)`` gives what has ``predict(rows)`` and may have ``features``."""
    model = module_of(file, "load").load(file.parent)
    if not callable(getattr(model, "predict", None)):
        raise BadModel(f"load of {file.name} gives a {type(model).__name__}, which has no predict")
    return int(getattr(model, "features", 0)), model.predict


FORMATS: Mapping[str, tuple[tuple[str, ...], Callable[[Path], tuple[int, Callable[[Array], Any]]]]] = {
    "sklearn": ((".joblib", ".pkl", ".pickle"), _sklearn),
    "xgboost": ((".bst", ".ubj", ".json"), _xgboost),
    "lightgbm": ((".bst", ".txt"), _lightgbm),
    "python": (("model.py",), _python),
}
"""Format -> (endings or names of its files, how one is loaded: features and what to ask)."""


def load(name: str, form: str, directory: Path) -> Loaded:
    """The one model of that format in the directory. Pickles and programs run what is in them: serve only your own.

    Raises BadModel.
    """
    if form not in FORMATS:
        raise BadModel(f"format {form} is not one of {', '.join(FORMATS)}")
    endings, loader = FORMATS[form]
    if not directory.is_dir():
        raise BadModel(f"{directory} does not exist: no model was fetched")
    files = [path for path in directory.iterdir() if path.is_file()]
    found = sorted(path for path in files if path.suffix in endings or path.name in endings)
    if len(found) != 1:
        there = ", ".join(sorted(path.name for path in directory.iterdir())) or "nothing"
        wanted = " or ".join(endings) if form == "python" else f"one file ending in {' or '.join(endings)}"
        raise BadModel(f"a {form} model is {wanted}; {directory} holds: {there}")
    try:
        features, ask = loader(found[0])
    except BadModel:
        raise
    except Exception as error:
        raise BadModel(f"{found[0].name} cannot be loaded as {form}: {type(error).__name__}: {error}") from error
    return Loaded(name, form, features, ask)
