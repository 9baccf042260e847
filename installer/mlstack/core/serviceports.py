"""What the engine needs from services that run in the cluster, and from a maker of certificates, as protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mlstack.core.people import Account, User
from mlstack.core.tls import CertificateFacts


class ObjectStore(Protocol):
    """An S3 server reached with administrator credentials."""

    def ensure_bucket(self, bucket: str) -> bool: ...
    def ensure_user(self, access_key: str, secret_key: str, bucket: str) -> bool: ...
    def remove_user(self, access_key: str) -> bool: ...
    def remove_bucket(self, bucket: str) -> bool: ...
    def remove_access(self, bucket: str) -> bool: ...


class Users(Protocol):
    """Where an identity provider keeps users. Names and e-mails are lower-case and validated by the caller.

    Errors: users.exists (name or e-mail taken; of several who add the same one at once one wins), users.unknown,
    users.store-failed. A password goes to the store and nowhere else.
    """

    def list(self) -> Sequence[Account]: ...
    def add(self, account: Account, password: str) -> None: ...
    def update(self, user: User) -> bool: ...
    def set_password(self, name: str, password: str) -> None: ...
    def remove(self, name: str) -> bool: ...


class Sessions(Protocol):
    """Where a login keeps who is logged in. Errors: sessions.failed. False: there were none."""

    def end_all(self) -> bool: ...


class Database(Protocol):
    """A database server reached with administrator rights. Names are validated by the caller's models and again inside."""

    def ensure_database(self, database: str) -> bool: ...
    def ensure_user(self, user: str, password: str, database: str) -> bool: ...


class Certificates(Protocol):
    """Makes certificates: (certificate, private key), both PEM; and reads them. Errors: certificate.unreadable."""

    def new_authority(self, name: str) -> tuple[str, str]: ...
    def issue(self, authority: tuple[str, str], names: Sequence[str]) -> tuple[str, str]: ...
    def describe(self, certificate: str, authority: str = "") -> CertificateFacts: ...
