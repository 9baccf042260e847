"""What the use cases of users and profiles hand to the command line. No behaviour; secrets never show in ``repr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo:
    """A user. source: ``declared`` (by the configuration, or the administrator that the first ``up`` makes), ``command``, or
    ``other`` for one that mlstack did not make; there: false for a declared one that no ``up`` has made yet."""

    name: str
    email: str
    groups: tuple[str, ...] = ()
    admin: bool = False
    source: str = "command"
    there: bool = True
    profiles: tuple[str, ...] = ()
    """Profiles that are the user's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged:
    """A user that was made or got a new password. password: only a generated one, which is shown this once;
    profile_possible: the instance has profiles, so that a new user can get one."""

    user: UserInfo
    password: str = field(default="", repr=False)
    profile_possible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """A token for programs. account: the service account it speaks for; expires: RFC 3339."""

    user: str
    profile: str
    account: str
    audience: str
    expires: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributorInfo:
    """Whom a profile is shared with. name: an e-mail, or a group's name."""

    name: str
    role: str
    group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInfo:
    """A profile. state: ``ready``; ``pending`` until the next ``up``; ``removed``: closed, its data kept; ``ending``: its
    namespace is being deleted. source: ``declared`` or ``command``; quota: what differs from the stack's parameters."""

    name: str
    owner: str
    state: str
    source: str
    bucket: str
    contributors: tuple[ContributorInfo, ...] = ()
    quota: Mapping[str, str] = field(default_factory=dict)
