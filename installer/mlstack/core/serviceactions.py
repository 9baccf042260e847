"""Typed actions on what stacks serve beyond buckets and databases: users, and taking access and data of a bucket away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlstack.core.actions import Action
from mlstack.core.model import ResourceId
from mlstack.core.people import User


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureUser(Action):
    """Makes a user of the stack that provides ``identity-provider``, with a generated first password kept in ``secret``.

    One that is there keeps the password; only e-mail and groups are made as wanted.
    """

    user: User
    stack: str
    provider: Mapping[str, str]
    """The ``exports`` of the providing stack."""
    secret: ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser(Action):
    """Removes a user that an ``up`` made and that is no longer wanted; one that somebody else made stays."""

    name: str
    provider: Mapping[str, str]
    secret: ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessions(Action):
    """Asks everybody to log in again; who was removed is then out."""

    provider: Mapping[str, str]
    """The ``exports`` of the stack that provides ``login``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeBucket(Action):
    """Takes the access of a bucket's confined user away; the bucket and what is in it stay."""

    bucket: str
    provider: Mapping[str, str]
    secret: ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeBucket(Action):
    """Deletes a bucket with all that is in it, and what let a user into it."""

    bucket: str
    provider: Mapping[str, str]
