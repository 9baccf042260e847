"""Protocol v2 over a real gRPC connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import grpc_predict_v2_pb2 as api
import numpy as np
import pytest

from mlstack_serve.models import load
from mlstack_serve.rpc import make_server

ROWS = [[5.9, 3.0, 4.2, 1.5], [5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
Call = Callable[[str, Any, Any], Any]


@pytest.fixture(scope="module")
def call(iris) -> Iterator[Call]:
    server, port = make_server(load("iris", "sklearn", iris), "127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:

        def ask(name: str, request: Any, reply: Any) -> Any:
            path = f"/inference.GRPCInferenceService/{name}"
            serialize = type(request).SerializeToString
            return channel.unary_unary(path, serialize, reply.FromString)(request, timeout=20)

        yield ask
    server.stop(None).wait()


def request(model: str = "iris", shape=(3, 4), datatype: str = "FP64", **contents: Any) -> Any:
    tensor = api.ModelInferRequest.InferInputTensor(
        name="rows", datatype=datatype, shape=shape, contents=api.InferTensorContents(**contents)
    )
    return api.ModelInferRequest(model_name=model, id="7", inputs=[tensor])


def test_typed_and_raw_contents_give_the_same(call) -> None:
    typed = call("ModelInfer", request(fp64_contents=[value for row in ROWS for value in row]), api.ModelInferResponse)
    raw = request(datatype="FP32")
    raw.raw_input_contents.append(np.array(ROWS, "<f4").tobytes())
    for answer in (typed, call("ModelInfer", raw, api.ModelInferResponse)):
        output = answer.outputs[0]
        assert (answer.model_name, answer.id, output.datatype, list(output.shape)) == ("iris", "7", "INT64", [3])
        assert list(output.contents.int64_contents) == [1, 0, 2]


def test_the_server_and_its_model_tell_of_themselves(call) -> None:
    assert call("ServerLive", api.ServerLiveRequest(), api.ServerLiveResponse).live
    assert call("ServerReady", api.ServerReadyRequest(), api.ServerReadyResponse).ready
    assert call("ModelReady", api.ModelReadyRequest(name="iris"), api.ModelReadyResponse).ready
    assert call("ServerMetadata", api.ServerMetadataRequest(), api.ServerMetadataResponse).name == "mlstack-serve"
    told = call("ModelMetadata", api.ModelMetadataRequest(name="iris"), api.ModelMetadataResponse)
    assert (told.platform, list(told.inputs[0].shape)) == ("sklearn", [-1, 4])


def short(raw: Any) -> Any:
    raw.raw_input_contents.append(b"123")
    return raw


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        (request("rose", fp64_contents=[1.0] * 12), grpc.StatusCode.NOT_FOUND, "no model rose"),
        (api.ModelInferRequest(model_name="iris"), grpc.StatusCode.INVALID_ARGUMENT, "no inputs"),
        (request(fp64_contents=[1.0]), grpc.StatusCode.INVALID_ARGUMENT, "1 values do not fill shape [3, 4]"),
        (request(datatype="FP99"), grpc.StatusCode.INVALID_ARGUMENT, "datatype FP99 is not one of"),
        (short(request()), grpc.StatusCode.INVALID_ARGUMENT, "3 bytes are no whole number of FP64"),
        (
            request(shape=(1, 2), fp64_contents=[1.0, 2.0]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "takes rows of 4 values, got shape [1, 2]",
        ),
    ],
)
def test_what_is_wrong_is_said(call, asked, code, told) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call("ModelInfer", asked, api.ModelInferResponse)
    assert caught.value.code() is code
    assert told in caught.value.details()
