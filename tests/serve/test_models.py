from __future__ import annotations

import subprocess
import sys

import joblib
import pytest

from mlstack_serve.errors import BadModel
from mlstack_serve.models import load


@pytest.mark.parametrize(
    ("files", "form", "told"),
    [
        ({}, "sklearn", r"one file ending in \.joblib or \.pkl or \.pickle; .* holds: nothing"),
        ({"a.txt": b""}, "sklearn", r"holds: a\.txt"),
        ({"a.pkl": b"", "b.joblib": b""}, "sklearn", r"holds: a\.pkl, b\.joblib"),
        ({"model.joblib": b"no pickle"}, "sklearn", r"model\.joblib cannot be loaded as sklearn"),
        ({}, "onnx", "format onnx is not one of sklearn, xgboost, lightgbm"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(tmp_path, files, form, told) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadModel, match=told):
        load("m", form, tmp_path)


def test_something_that_cannot_predict_is_no_model(tmp_path) -> None:
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(BadModel, match="holds a dict, which has no predict"):
        load("m", "sklearn", tmp_path)


@pytest.mark.slow
def test_a_server_without_a_model_ends_with_the_reason(tmp_path) -> None:
    argv = [sys.executable, "-m", "mlstack_serve", "--model_name=m", f"--model_dir={tmp_path / 'nowhere'}"]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment)
    assert ended.returncode == 1
    assert ended.stderr == f"cannot serve: {tmp_path / 'nowhere'} does not exist: no model was fetched\n"
