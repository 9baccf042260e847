"""What the engine needs from services that run in the cluster, and from a maker of certificates, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ObjectStore(Protocol):
    """An S3 server reached with administrator credentials."""

    def ensure_bucket(self, bucket: str) -> bool: ...
    def ensure_user(self, access_key: str, secret_key: str, bucket: str) -> bool: ...


class Database(Protocol):
    """A database server reached with administrator rights. Names are validated by the caller's models and again inside."""

    def ensure_database(self, database: str) -> bool: ...
    def ensure_user(self, user: str, password: str, database: str) -> bool: ...


class Certificates(Protocol):
    """Makes certificates. Each result is (certificate, private key), both PEM."""

    def new_authority(self, name: str) -> tuple[str, str]: ...
    def issue(self, authority: tuple[str, str], dns_names: Sequence[str]) -> tuple[str, str]: ...
