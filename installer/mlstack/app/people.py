"""Whom an instance knows: users and profiles of the configuration, and the profiles that its cluster remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, ClusterState, Object
from mlstack.core.people import (
    ADMIN,
    ANNOTATION_RECORD,
    IDENTITY_PROVIDER,
    LABEL_PROFILE,
    PROFILES,
    People,
    Profile,
    User,
    from_record,
    merge_profiles,
)
from mlstack.core.peopleconfig import profiles_of, users_of
from mlstack.core.ports import Kube

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.serviceports import Users


@dataclass(frozen=True, slots=True)
class ProfileSpace:
    """A profile's namespace in the cluster. made: an ``up`` has been there; ending: it is being deleted."""

    profile: Profile
    made: bool
    ending: bool


def provides(session: Session, capability: str) -> bool:
    """True when a chosen stack provides the capability."""
    return any(capability in chosen.entry.document.spec.provides for chosen in session.selection.stacks)


def people_of(session: Session) -> People:
    """Users and profiles in force. The cluster is asked only where a stack makes profiles and the cluster runs."""
    from mlstack.app.target import external

    config = session.config
    users = users_of(config.users, config.groups, external(session).host)
    if not provides(session, PROFILES):
        return People(users)
    undeclared = {user.name: user for user in users if user.name not in {one.name for one in config.users}}
    default = Profile(ADMIN, undeclared[ADMIN].email) if ADMIN in undeclared else None
    there: tuple[Profile, ...] = ()
    if observing.observe_cluster(session).state is ClusterState.RUNNING:
        with observing.reader(session) as kube:
            there = tuple(one.profile for one in spaces(kube, session.name) if not one.ending)
    return replace(merge_profiles(profiles_of(config.profiles, users), there, default), users=users)


def spaces(kube: Kube, instance: str) -> list[ProfileSpace]:
    """The namespaces of profiles, by name. Raises MlstackError profiles.damaged."""
    resource = kube.resource("v1", "Namespace")
    found = kube.list(resource, f"{LABEL_INSTANCE}={instance}") if resource else []
    return sorted((space_of(obj) for obj in found if LABEL_PROFILE in labels_of(obj)), key=lambda one: one.profile.name)


def labels_of(obj: Object) -> Mapping[str, str]:
    """The labels of an object."""
    return obj["metadata"].get("labels") or {}


def space_of(obj: Object) -> ProfileSpace:
    """What a profile's namespace says."""
    metadata = obj["metadata"]
    record = (metadata.get("annotations") or {}).get(ANNOTATION_RECORD, "")
    profile = from_record(metadata["name"], record)
    return ProfileSpace(profile, LABEL_STACK in labels_of(obj), "deletionTimestamp" in metadata)


def no_profile(name: str, known: Sequence[str], why: str = "") -> MlstackError:
    """The error for a profile that does not exist, with a suggestion."""
    return MlstackError(
        "profiles.unknown",
        f"there is no profile '{name}'",
        why=why,
        remedy=did_you_mean(name, known) or "`mlstack profiles list` shows the profiles",
        exit_code=ExitCode.USAGE,
    )


def identity_exports(session: Session) -> Mapping[str, str] | None:
    """What the stack that keeps users exports, None where no stack keeps any."""
    exports = session.exports(IDENTITY_PROVIDER)
    return exports if exports.get("users") else None


def user_store(session: Session, kube: Kube) -> Users:
    """Where users are kept. Raises MlstackError users.no-store."""
    from mlstack.adapters.users import open_users

    exports = identity_exports(session)
    if exports is None:
        raise MlstackError(
            "users.no-store",
            f"'{session.name}' has no logins: none of its stacks keeps users",
            remedy="use a profile of the release that has an identity provider (`mlstack up --profile standard`)",
            exit_code=ExitCode.USAGE,
        )
    return open_users(kube, exports)


def known_users(session: Session, kube: Kube) -> dict[str, User]:
    """Every user by name: the declared ones, and those that the identity provider keeps."""
    found = {user.name: user for user in session.people.users}
    if identity_exports(session) is not None:
        found |= {account.user.name: account.user for account in user_store(session, kube).list()}
    return found


def email_of(session: Session, kube: Kube, person: str) -> str:
    """The e-mail of a user's name; an e-mail is itself. Raises MlstackError users.unknown with a suggestion."""
    if "@" in person:
        return person.lower()
    users = known_users(session, kube)
    if person not in users:
        raise MlstackError(
            "users.unknown",
            f"there is no user '{person}'",
            remedy=f"{did_you_mean(person, list(users))}; or give an e-mail",
            exit_code=ExitCode.USAGE,
        )
    return users[person].email
