"""Protocol v2 over gRPC. The message types are those of KServe's published package."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
import grpc_predict_v2_pb2 as api
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mlstack_serve.errors import BadRequest, UnknownModel
from mlstack_serve.models import Loaded
from mlstack_serve.rest import SERVER, named
from mlstack_serve.tensors import DATATYPES, Array, datatype_of, shaped, side_by_side

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Data type -> the field of a tensor's contents that holds it."""


def rows_of_message(request: Any) -> Array:
    """The rows of a ModelInferRequest, from typed or raw contents. Raises BadRequest."""
    raw = list(request.raw_input_contents)
    if not request.inputs:
        raise BadRequest("the request has no inputs")
    if raw and len(raw) != len(request.inputs):
        raise BadRequest(f"{len(raw)} raw contents for {len(request.inputs)} inputs")
    return side_by_side([_array(one, raw[index] if raw else None) for index, one in enumerate(request.inputs)])


def _array(one: Any, raw: bytes | None) -> Array:
    if one.datatype not in DATATYPES or (raw is None and one.datatype not in _CONTENTS):
        raise BadRequest(f"tensor {one.name}: datatype {one.datatype} is not one of {', '.join(DATATYPES)}")
    dtype = np.dtype(DATATYPES[one.datatype]).newbyteorder("<")
    if raw is None:
        return shaped(np.array(getattr(one.contents, _CONTENTS[one.datatype]), dtype), list(one.shape), one.name)
    if len(raw) % dtype.itemsize:
        raise BadRequest(f"tensor {one.name}: {len(raw)} bytes are no whole number of {one.datatype}")
    return shaped(np.frombuffer(raw, dtype), list(one.shape), one.name)


def message_of(found: Array, model: str, identity: str) -> Any:
    """A ModelInferResponse with one output."""
    datatype = datatype_of(found)
    tensor = api.ModelInferResponse.InferOutputTensor(name="output-0", datatype=datatype, shape=found.shape)
    values = [str(value).encode() for value in found.ravel()] if datatype == "BYTES" else found.ravel().tolist()
    field = _CONTENTS.get(datatype)
    if field is None:  # FP16 has no field of its own
        tensor.datatype, field = "FP32", "fp32_contents"
    getattr(tensor.contents, field).extend(values)
    return api.ModelInferResponse(model_name=model, id=identity, outputs=[tensor])


class Inference:
    """The calls of GRPCInferenceService for one model."""

    def __init__(self, model: Loaded) -> None:
        self._model = model

    def infer(self, request: Any) -> Any:
        """ModelInfer."""
        model = named(self._model, request.model_name)
        return message_of(model.predict(rows_of_message(request)), model.name, request.id)

    def metadata(self, request: Any) -> Any:
        """ModelMetadata."""
        model = named(self._model, request.name)
        tensor = api.ModelMetadataResponse.TensorMetadata
        inputs = [tensor(name="input-0", datatype="FP64", shape=[-1, model.features or -1])]
        return api.ModelMetadataResponse(name=model.name, platform=model.platform, inputs=inputs)

    def ready(self, request: Any) -> Any:
        """ModelReady."""
        return api.ModelReadyResponse(ready=bool(named(self._model, request.name)))


def make_server(model: Loaded, address: str, threads: int = 4) -> tuple[grpc.Server, int]:
    """The server, not started, and the port that it got."""
    calls = Inference(model)
    handlers = {
        "ModelInfer": _handler(calls.infer, api.ModelInferRequest),
        "ModelMetadata": _handler(calls.metadata, api.ModelMetadataRequest),
        "ModelReady": _handler(calls.ready, api.ModelReadyRequest),
        "ServerLive": _handler(lambda _: api.ServerLiveResponse(live=True), api.ServerLiveRequest),
        "ServerReady": _handler(lambda _: api.ServerReadyResponse(ready=True), api.ServerReadyRequest),
        "ServerMetadata": _handler(
            lambda _: api.ServerMetadataResponse(name=str(SERVER["name"]), version=str(SERVER["version"])),
            api.ServerMetadataRequest,
        ),
    }
    server = grpc.server(futures.ThreadPoolExecutor(threads))
    name = api.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    status = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    for known in ("", name):
        status.set(known, health_pb2.HealthCheckResponse.SERVING)
    return server, server.add_insecure_port(address)


def _handler(call: Callable[[Any], Any], request: Any) -> grpc.RpcMethodHandler:
    def answer(message: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(message)
        except BadRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except UnknownModel as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=request.FromString, response_serializer=lambda reply: reply.SerializeToString()
    )
