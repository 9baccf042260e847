"""Puts the message types of the inference protocol where the image has them, and makes a small trained model."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlstack.adapters.paths import find_paths
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.wheels import Wheels

TYPES = "kserve/protocol/grpc/grpc_predict_v2_pb2.py"
SHA256 = "6762eae3ae633f69178e08f531052722ea34013ab611050e0263679c7c9ca8c7"


def _types() -> Path:
    downloads = find_paths(os.environ).downloads
    wheel = Wheels(HostShell(), downloads).fetch("kserve", "0.20.0", {"any": SHA256}, "any")
    directory = downloads / "wheels" / f"{wheel.stem}.types"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        (directory / Path(TYPES).name).write_bytes(archive.read(TYPES))
    return directory


sys.path.append(str(_types()))


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a classifier of flowers: rows of 4 numbers, classes 0, 1, 2."""
    directory = tmp_path_factory.mktemp("iris")
    rows, classes = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, classes), directory / "model.joblib")
    return directory
