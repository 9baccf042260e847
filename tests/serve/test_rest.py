"""Protocols v1 and v2 over HTTP, with a model that was really trained."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from mlstack_serve.models import load
from mlstack_serve.rest import make_app

ROWS = [[5.9, 3.0, 4.2, 1.5], [5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
FLAT = [value for row in ROWS for value in row]


@pytest.fixture(scope="module")
def client(iris) -> TestClient:
    return TestClient(make_app(load("iris", "sklearn", iris)))


def tensor(**changes):
    return {"name": "rows", "shape": [3, 4], "datatype": "FP64", "data": FLAT} | changes


def test_v1(client) -> None:
    assert client.get("/v1/models").json() == {"models": ["iris"]}
    assert client.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
    # a client that says no content type is understood as well
    answer = client.post("/v1/models/iris:predict", content=f'{{"instances": {ROWS}}}')
    assert (answer.status_code, answer.json()) == (200, {"predictions": [1, 0, 2]})


def test_v2(client) -> None:
    for path in ("/", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/iris/ready"):
        assert client.get(path).status_code == 200
    told = client.get("/v2/models/iris").json()
    assert (told["platform"], told["inputs"][0]["shape"]) == ("sklearn", [-1, 4])
    answer = client.post("/v2/models/iris/infer", json={"id": "7", "inputs": [tensor()]})
    output = {"name": "output-0", "shape": [3], "datatype": "INT64", "data": [1, 0, 2]}
    assert answer.json() == {"model_name": "iris", "id": "7", "outputs": [output]}


def test_v2_columns_and_nested_data(client) -> None:
    columns = [
        {"name": str(index), "shape": [3, 1], "datatype": "FP32", "data": [row[index] for row in ROWS]}
        for index in range(4)
    ]
    for inputs in (columns, [tensor(data=ROWS)]):
        answer = client.post("/v2/models/iris/infer", json={"inputs": inputs})
        assert answer.json()["outputs"][0]["data"] == [1, 0, 2]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", '{"instances": [...]}'),
        (b"{}", "at least one instance"),
        (b'{"instances": []}', "at least one instance"),
        (b'{"instances": [[1, 2]]}', "takes rows of 4 values, got shape [1, 2]"),
        (b'{"instances": [[1, 2, 3, 4], [1]]}', "must all have the same length"),
        (b'{"instances": [["a", "b", "c", "d"]]}', "cannot take these rows"),
        (b'{"instances": [{"a": 1}]}', "lists of numbers or of texts"),
    ],
)
def test_what_is_wrong_with_a_v1_request_is_said(client, body, told) -> None:
    answer = client.post("/v1/models/iris:predict", content=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (None, '"inputs", a list'),
        ([{"name": "x"}], "needs name, shape, datatype and data"),
        ([tensor(shape=[3, 5])], "12 values do not fill shape [3, 5]"),
        ([tensor(shape=[3, -4])], "whole numbers from 0 on"),
        ([tensor(shape=3)], "shape and data must be lists"),
        ([tensor(datatype="FP65")], "datatype FP65 is not one of BOOL"),
        ([tensor(datatype="INT8", data=[1000] * 12)], "the data are not INT8"),
        ([tensor(), tensor(shape=[2, 1], data=[1, 2])], "3, 2 rows: they must agree"),
    ],
)
def test_what_is_wrong_with_a_v2_request_is_said(client, inputs, told) -> None:
    answer = client.post("/v2/models/iris/infer", json={"inputs": inputs})
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_another_model_is_not_found(client) -> None:
    for method, path in (
        ("GET", "/v1/models/rose"),
        ("POST", "/v1/models/rose:predict"),
        ("POST", "/v2/models/rose/infer"),
    ):
        answer = client.request(method, path, json={})
        assert answer.status_code == 404
        assert answer.json() == {"error": "no model rose is served here, but iris"}
