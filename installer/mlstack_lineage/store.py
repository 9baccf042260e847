"""The metadata of one namespace: the C++ store inside the ml-metadata wheel on a SQLite file. Requests and answers stay bytes."""

from __future__ import annotations

import threading
from pathlib import Path

from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as extension
from ml_metadata.proto import metadata_store_pb2 as records
from ml_metadata.proto import metadata_store_service_pb2 as service

SERVICE = service.DESCRIPTOR.services_by_name["MetadataStoreService"]
METHODS = frozenset(method.name for method in SERVICE.methods if hasattr(extension, method.name))
"""What can be called; the wheel lacks three of the service's methods, which no part of Pipelines uses."""


class StoreError(Exception):
    """What the store refused. code: a gRPC status code's number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Store:
    """One SQLite file, made when it is not there. A call at a time: the file has one writer anyway."""

    def __init__(self, path: Path) -> None:
        config = records.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = records.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self._lock = threading.Lock()
        options = records.MigrationOptions()
        self._store = extension.CreateMetadataStore(config.SerializeToString(), options.SerializeToString())

    def call(self, method: str, request: bytes) -> bytes:
        """The answer to one of METHODS. Raises StoreError."""
        with self._lock:
            answer, message, code = getattr(extension, method)(self._store, request)
        if code:
            raise StoreError(code, message.decode(errors="replace"))
        return bytes(answer)
