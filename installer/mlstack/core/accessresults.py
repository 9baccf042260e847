"""What the use cases around access hand to the command line: certificates, how to trust them, connections. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """A certificate of the platform, or its authority (``name`` is ``authority`` then, ``names`` empty).

    begins, ends: ISO 8601 in UTC; fault: why clients refuse it now; due: why ``up`` will replace it. Both empty: it is fine.
    """

    name: str
    stack: str
    names: tuple[str, ...]
    begins: str
    ends: str
    fingerprint: str
    issuer: str
    fault: str = ""
    due: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStep:
    """How one kind of system or program learns to trust the authority. undo: how it forgets it again."""

    system: str
    commands: tuple[str, ...]
    undo: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The authority and how to trust it. authority: file with its certificate only; bundle: with this host's others."""

    authority: Path
    bundle: Path
    fingerprint: str
    ends: str
    steps: tuple[TrustStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a program reaches an endpoint. form: what ``text`` is (env, python, curl), empty when nothing was asked for.

    url: where; via: ``gateway`` or ``host``; login: what it asks for: ``token``, ``credential`` or nothing; authority: file of
    the CA for https. text and environment may hold secrets and show in no ``repr``.
    """

    name: str
    stack: str
    scheme: str
    url: str
    via: str
    login: str = ""
    credential: str = ""
    account: str = ""
    authority: str = ""
    expires: str = ""
    form: str = ""
    text: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    doc: str = ""
