"""Users, groups and profiles as nouns, and the record of a profile that its namespace carries. Pure; nothing is made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlstack.core.errors import MlstackError
from mlstack.core.kinds import SYSTEM_NAMESPACES
from mlstack.core.model import SYSTEM_NAMESPACE

ADMIN = "admin"
"""The name of the administrator that the first ``up`` makes where the configuration declares none."""
ADMINS = "admins"
"""The group whose members are administrators."""
IDENTITY_PROVIDER = "identity-provider"
"""The capability of keeping users; its exports say how: ``users`` (the kind of store) and what that store needs."""
LOGIN = "login"
"""The capability of keeping people logged in; its exports may say where: ``sessions`` (the kind of store)."""
PROFILES = "profiles"
"""The capability of making profiles' namespaces."""
Role = Literal["admin", "edit", "view"]
ROLES: tuple[Role, ...] = ("admin", "edit", "view")
LABEL_PROFILE = "mlstack.dev/profile"
"""On a profile's namespace: the profile's name."""
ANNOTATION_RECORD = "mlstack.dev/profile-record"
"""On a profile's namespace: who owns and shares it, as JSON. For profiles made by command it is the only record there is."""
RESERVED_NAMES = SYSTEM_NAMESPACES | {SYSTEM_NAMESPACE}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in. email: who apps take them for; groups: sorted."""

    name: str
    email: str
    groups: tuple[str, ...] = ()

    @property
    def admin(self) -> bool:
        """True for administrators."""
        return ADMINS in self.groups


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the identity provider keeps it. made_by: ``up`` or ``command``; empty when it was not mlstack."""

    user: User
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody a profile is shared with. name: the e-mail of a user, or a group's name where ``group`` is set."""

    name: str
    role: Role = "view"
    group: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """A namespace of somebody's own. owner: e-mail; declared: by the configuration, else by command; removed: its access is
    taken away and its data kept; quota: resource -> bound, where it differs from the stack's parameters."""

    name: str
    owner: str
    members: tuple[Member, ...] = ()
    declared: bool = False
    removed: bool = False
    quota: Mapping[str, str] = field(default_factory=dict)
    pod_security: str = ""

    @property
    def bucket(self) -> str:
        """The bucket that is the profile's own."""
        return f"profile-{self.name}"

    def to_record(self) -> str:
        """The profile as its namespace's annotation holds it; the same profile gives the same text."""
        members = [{"name": one.name, "role": one.role, "group": one.group} for one in self.members]
        data = {
            "owner": self.owner,
            "members": members,
            "declared": self.declared,
            "removed": self.removed,
            "quota": dict(self.quota),
            "podSecurity": self.pod_security,
        }
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    def context(self) -> dict[str, Any]:
        """The profile as templates see it."""
        members = [
            {"kind": "Group" if one.group else "User", "name": one.name, "role": one.role} for one in self.members
        ]
        return {
            "name": self.name,
            "namespace": self.name,
            "owner": self.owner,
            "contributors": members,
            "bucket": self.bucket,
            "quota": {name: self.quota.get(name, "") for name in QUOTAS},
            "podSecurity": self.pod_security,
            "record": self.to_record(),
        }


QUOTAS = ("cpu", "memory", "pods", "storage")
"""What a profile's quota may bound."""


def from_record(name: str, text: str) -> Profile:
    """The profile of a namespace's annotation. Raises MlstackError profiles.damaged."""
    try:
        data = json.loads(text)
        members = tuple(Member(str(one["name"]), _role(one["role"]), bool(one["group"])) for one in data["members"])
        quota = {str(key): str(value) for key, value in data["quota"].items() if key in QUOTAS}
        owner, security = str(data["owner"]), str(data["podSecurity"])
        return Profile(name, owner, members, bool(data["declared"]), bool(data["removed"]), quota, security)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise MlstackError(
            "profiles.damaged",
            f"the record of profile {name} cannot be read",
            why=f"annotation {ANNOTATION_RECORD} of Namespace/{name} was changed by something else than mlstack",
            remedy=f"take the label off (`kubectl label namespace {name} {LABEL_PROFILE}-`), then add the profile again",
        ) from None


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise ValueError(text)


@dataclass(frozen=True, slots=True)
class People:
    """Everybody whom an instance's configuration and cluster know of. removed: profiles whose data is kept."""

    users: tuple[User, ...] = ()
    profiles: tuple[Profile, ...] = ()
    removed: tuple[Profile, ...] = ()

    def profile(self, name: str) -> Profile | None:
        """The profile of that name that is there, None when there is none or it was removed."""
        return next((one for one in self.profiles if one.name == name), None)


def merge_profiles(declared: tuple[Profile, ...], there: tuple[Profile, ...], default: Profile | None) -> People:
    """The profiles that are wanted and those kept closed. The configuration wins over what the cluster's namespaces say.

    A profile that the configuration declared and declares no more counts as removed; default: the one that is wanted where
    neither names it.
    """
    names = {one.name for one in declared}
    known = [one for one in there if one.name not in names]
    removed = tuple(replace(one, removed=True, declared=False) for one in known if one.removed or one.declared)
    made = tuple(one for one in known if not (one.removed or one.declared))
    absent = default is not None and default.name not in names | {one.name for one in known}
    active = (*declared, *((default,) if default is not None and absent else ()), *made)
    return People(profiles=tuple(sorted(active, key=lambda one: one.name)), removed=removed)
