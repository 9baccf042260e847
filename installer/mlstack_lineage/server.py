"""The gRPC side of one namespace, on a port of its own: metadata and execution cache. The network decides who reaches it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from mlstack_lineage import messages
from mlstack_lineage.cache import BadTask, ExecutionCache, OtherNamespace
from mlstack_lineage.store import METHODS, SERVICE, Store, StoreError

BYTES = 64 << 20
"""The largest message; a step's inputs and outputs are in them."""
THREADS = 4
GRACE_SECONDS = 5.0
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Tenant:
    """What one namespace has here, served until it is closed."""

    def __init__(self, namespace: str, address: str, directory: Path) -> None:
        place = directory / namespace
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.namespace = namespace
        self.store, self._cache = Store(place / "metadata.db"), ExecutionCache(place / "cache.db", namespace)
        limits = [("grpc.max_receive_message_length", BYTES), ("grpc.max_send_message_length", BYTES)]
        # SO_REUSEPORT would let a second process take half of the calls without a word
        options = [*limits, ("grpc.so_reuseport", 0)]
        self._server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=options)
        self._server.add_generic_rpc_handlers((self._metadata(), self._tasks()))
        self.port = self._server.add_insecure_port(address)
        self._server.start()

    def close(self) -> None:
        """Lets running calls end, and takes no more."""
        self._server.stop(GRACE_SECONDS).wait()
        self._cache.close()

    def _metadata(self) -> grpc.GenericRpcHandler:
        def handler(method: str) -> grpc.RpcMethodHandler:
            def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
                try:
                    return self.store.call(method, request)
                except StoreError as error:
                    context.abort(_CODES.get(error.code, grpc.StatusCode.UNKNOWN), str(error))
                    raise AssertionError("abort raises") from error

            return grpc.unary_unary_rpc_method_handler(answer)

        return grpc.method_handlers_generic_handler(SERVICE.full_name, {name: handler(name) for name in METHODS})

    def _tasks(self) -> grpc.GenericRpcHandler:
        def handler(call: Callable[[Any], Any], request: Any) -> grpc.RpcMethodHandler:
            def answer(message: Any, context: grpc.ServicerContext) -> Any:
                try:
                    return call(message)
                except OtherNamespace as error:
                    context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
                except BadTask as error:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
                raise AssertionError("abort raises")

            return grpc.unary_unary_rpc_method_handler(
                answer, request.FromString, lambda reply: reply.SerializeToString()
            )

        calls = {
            "CreateTaskV1": handler(lambda asked: self._cache.add(asked.task), messages.CreateTaskRequest),
            "ListTasksV1": handler(self._list, messages.ListTasksRequest),
        }
        return grpc.method_handlers_generic_handler(messages.SERVICE, calls)

    def _list(self, asked: Any) -> Any:
        if asked.page_token:
            raise BadTask("there is one page only: the newest entries")
        return self._cache.find(asked.filter, asked.page_size)
