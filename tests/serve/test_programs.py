"""Models and transformers that are programs of the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mlstack_serve.errors import BadModel
from mlstack_serve.models import load
from mlstack_serve.rest import make_app
from mlstack_serve.transformer import asker, make_transformer
from mlstack_serve.transformer import make_app as make_transforming_app

MODEL = """
import json
from beside import shift

class Scale:
    features = 2
    def __init__(self, factor):
        self.factor = factor
    def predict(self, rows):
        if (rows < 0).any():
            raise ValueError("no negative values")
        return shift(rows.sum(axis=1) * self.factor)

def load(directory):
    return Scale(json.loads((directory / "factor.json").read_text()))
"""
BY_NAME = """
NAMES = ["length", "width"]

def preprocess(request):
    return {"instances": [[row[name] for name in NAMES] for row in request["instances"]]}

def postprocess(answer):
    return {"predictions": [f"{value:.1f} cm" for value in answer["predictions"]]}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "beside.py").write_text("def shift(values):\n    return values + 1\n")
    (tmp_path / "factor.json").write_text("3")
    return tmp_path


def client_of(directory: Path) -> TestClient:
    return TestClient(make_app(load("scale", "python", directory)))


def test_a_program_is_a_model_with_what_lies_beside_it(program: Path) -> None:
    client = client_of(program)
    assert client.post("/v1/models/scale:predict", json={"instances": [[1, 2], [0, 4]]}).json() == {
        "predictions": [10.0, 13.0]
    }
    assert client.get("/v2/models/scale").json()["inputs"][0]["shape"] == [-1, 2]


@pytest.mark.parametrize("rows", [[[1, -2]], [[1, 2, 3]]])
def test_what_it_does_not_take_is_the_clients_error(program: Path, rows) -> None:
    answer = client_of(program).post("/v1/models/scale:predict", json={"instances": rows})
    assert answer.status_code == 400
    assert "scale" in answer.json()["error"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def load(directory): return 1", "load of model.py gives a int, which has no predict"),
        ("x = 1", "model.py has no function load"),
        ("import nothing_of_that_name", "model.py cannot be run: ModuleNotFoundError"),
        ("def load(directory): raise OSError('no factor')", "model.py cannot be loaded as python: OSError: no factor"),
        ("def load(:", "model.py cannot be run: SyntaxError"),
    ],
)
def test_a_program_that_is_no_model(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "model.py").write_text(text)
    with pytest.raises(BadModel, match=why.replace("(", r"\(")):
        load("scale", "python", tmp_path)


def test_other_files_do_not_count(program: Path, tmp_path_factory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    (empty / "main.py").write_text("")
    with pytest.raises(BadModel, match=r"a python model is model\.py; .* holds: main\.py"):
        load("scale", "python", empty)


class Predictor(BaseHTTPRequestHandler):
    """Doubles sums; refuses rows that are not of two numbers; says what is no JSON for the path ``broken``."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if any(len(row) != 2 for row in body["instances"]):
            return self._say(400, {"error": "takes rows of 2"})
        return self._say(200, {"predictions": [2 * sum(row) for row in body["instances"]]})

    def _say(self, status: int, body: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if "broken" not in self.path else b"<html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def predictor() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Predictor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def transforming(directory: Path, host: str, text: str = BY_NAME) -> TestClient:
    (directory / "transformer.py").write_text(text)
    return TestClient(make_transforming_app(make_transformer("size", directory, asker(host, 10))))


PATH = "/v1/models/size:predict"


def test_requests_and_answers_are_changed_on_their_way(tmp_path: Path, predictor: str) -> None:
    client = transforming(tmp_path, predictor)
    answer = client.post(PATH, json={"instances": [{"length": 1, "width": 2}, {"width": 0, "length": 4}]})
    assert (answer.status_code, answer.json()) == (200, {"predictions": ["6.0 cm", "8.0 cm"]})


def test_a_function_that_is_not_there_changes_nothing(tmp_path: Path, predictor: str) -> None:
    client = transforming(tmp_path, predictor, "def postprocess(answer): return answer['predictions']")
    assert client.post(PATH, json={"instances": [[1, 2]]}).json() == [6]


def test_what_cannot_be_transformed_is_the_clients_error(tmp_path: Path, predictor: str) -> None:
    client = transforming(tmp_path, predictor)
    answer = client.post(PATH, json={"instances": [{"length": 1}]})
    assert (answer.status_code, answer.json()) == (400, {"error": "the request cannot be transformed: 'width'"})
    assert client.post(PATH, content="{").status_code == 400
    assert client.post(PATH, json=[1]).json() == {"error": "the body is not a JSON object"}


def test_the_models_own_refusal_is_passed_on(tmp_path: Path, predictor: str) -> None:
    client = transforming(tmp_path, predictor, "def preprocess(request): return request")
    answer = client.post(PATH, json={"instances": [[1]]})
    assert (answer.status_code, answer.json()) == (400, {"error": "takes rows of 2"})


def test_a_model_that_does_not_answer_is_503(tmp_path: Path, predictor: str) -> None:
    ask = {"instances": [{"length": 1, "width": 2}]}
    answer = transforming(tmp_path, "127.0.0.1:9").post(PATH, json=ask)
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("the model does not answer:")
    assert transforming(tmp_path, predictor).post("/v1/models/broken:predict", json=ask).status_code == 503


def test_health_is_said_without_the_model(tmp_path: Path) -> None:
    client = transforming(tmp_path, "127.0.0.1:9")
    assert [client.get(path).status_code for path in ("/", "/v2/health/ready", "/v1/models/size")] == [200, 200, 200]
    assert client.get("/v1/models/other").status_code == 404


def test_without_a_program_it_ends_with_the_reason(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "mlstack_serve.transformer", "--predictor_host", "x", "--model_dir", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment)
    assert (ended.returncode, ended.stderr) == (1, f"cannot transform: {tmp_path / 'transformer.py'} does not exist\n")
    (tmp_path / "transformer.py").write_text("x = 1")
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environment)
    assert "neither a function preprocess nor a function postprocess" in ended.stderr
