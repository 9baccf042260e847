"""What the gRPC services have in common: their calls and their health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def handler(call: Callable[[Any, grpc.ServicerContext], Any], request: Any) -> grpc.RpcMethodHandler:
    """A call from one message to one message. request: the type of its argument."""
    return grpc.unary_unary_rpc_method_handler(
        call, request_deserializer=request.FromString, response_serializer=lambda reply: reply.SerializeToString()
    )


def healthy(server: grpc.Server, *names: str) -> None:
    """Adds the health service, which says of each name and of the whole that it serves."""
    status = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    for known in ("", *names):
        status.set(known, health_pb2.HealthCheckResponse.SERVING)
