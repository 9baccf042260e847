"""``users``, ``groups`` and ``profiles`` of the configuration: their models, what is wrong between them, and whom they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from mlstack.core.configpart import Part
from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.people import ADMIN, ADMINS, QUOTAS, RESERVED_NAMES, Member, Profile, Role, User
from mlstack.core.servicespec import Quantity

NAME = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,60}[A-Za-z0-9])?$"
GROUP = r"^[A-Za-z0-9]([-A-Za-z0-9._@/ ]{0,61}[A-Za-z0-9])?$"
"""A group has no colon: nobody can be put into one of Kubernetes' own (``system:masters``)."""
Name = Annotated[str, StringConstraints(pattern=NAME)]
Email = Annotated[str, StringConstraints(pattern=f"^$|{EMAIL}", to_lower=True)]
GroupName = Annotated[str, StringConstraints(pattern=GROUP)]
Person = Annotated[str, StringConstraints(pattern=f"{NAME}|{EMAIL}", to_lower=True)]
PlaceOf = Callable[..., Place]
"""(section, index, field ...) -> where the user wrote it."""


class UserConfig(Part):
    """Somebody who can log in. Passwords are never written here: the first one is generated."""

    name: Name = Field(description="Short name, such as `ann`.")
    email: Email = Field(
        default="", description="E-mail, which apps know the user by; empty: `<name>@<external host>`."
    )
    groups: list[GroupName] = Field(default=[], description="Groups the user is in.")
    admin: bool = Field(default=False, description="Whether the user is an administrator (in group `admins`).")


class GroupConfig(Part):
    """A group of users. One of an external identity provider is declared without members."""

    name: GroupName = Field(description="Name, as it comes in the `groups` of a login.")
    members: list[Name] = Field(default=[], description="Users in it, beside those whose `groups` name it.")


class ContributorConfig(Part):
    """A user or a group that a profile is shared with."""

    user: Annotated[str, StringConstraints(pattern=f"^$|{NAME}|{EMAIL}", to_lower=True)] = Field(
        default="", description="Name of a declared user, or an e-mail."
    )
    group: Annotated[str, StringConstraints(pattern=f"^$|{GROUP}")] = Field(default="", description="Name of a group.")
    role: Role = Field(default="view", description="What they may do there.")

    @model_validator(mode="after")
    def _one(self) -> ContributorConfig:
        if bool(self.user) == bool(self.group):
            raise ValueError("give either user or group")
        return self


class QuotaConfig(Part):
    """Bounds of a profile; what is left out is as the parameters of stack `profiles` say."""

    cpu: Quantity | Literal[""] = Field(default="", description="CPU that all pods may request together.")
    memory: Quantity | Literal[""] = Field(default="", description="Sum of the memory limits of all pods.")
    pods: int = Field(default=0, ge=0, le=10000, description="Pods at once; 0: the stack's parameter.")
    storage: Quantity | Literal[""] = Field(default="", description="Sum of the sizes of all volumes.")


class ProfileConfig(Part):
    """A namespace of somebody's own, with quota, network policy, bucket and service accounts."""

    name: Name = Field(description="Name of the profile and of its namespace.")
    owner: Person = Field(description="Whose it is: the name of a declared user, or an e-mail.")
    contributors: list[ContributorConfig] = Field(default=[], description="Who else may use it.")
    quota: QuotaConfig = Field(default=QuotaConfig(), description="Bounds that differ from the stack's.")
    pod_security: Literal["", "baseline", "restricted"] = Field(
        default="", description="Pod Security level; empty: the stack's parameter."
    )


def _in_groups(user: UserConfig, groups: Sequence[GroupConfig]) -> tuple[str, ...]:
    names = {*user.groups, *(group.name for group in groups if user.name in group.members)}
    return tuple(sorted(names | ({ADMINS} if user.admin or user.name == ADMIN else set())))


def users_of(users: Sequence[UserConfig], groups: Sequence[GroupConfig], host: str) -> tuple[User, ...]:
    """Who is wanted: the declared users, and user ``admin`` where none of them is an administrator."""
    found = [User(one.name, one.email or default_email(one.name, host), _in_groups(one, groups)) for one in users]
    if not any(one.admin for one in found):
        found.insert(0, User(ADMIN, default_email(ADMIN, host), (ADMINS,)))
    return tuple(found)


def default_email(name: str, host: str) -> str:
    """The e-mail of a user who was given none."""
    return f"{name}@{host}".lower()


def profiles_of(profiles: Sequence[ProfileConfig], users: Sequence[User]) -> tuple[Profile, ...]:
    """The declared profiles. users: all that the configuration knows, so that names become e-mails."""
    emails = {user.name: user.email for user in users}

    def email(person: str) -> str:
        return emails.get(person, person)

    return tuple(
        Profile(
            name=one.name,
            owner=email(one.owner),
            members=tuple(
                Member(member.group or email(member.user), member.role, bool(member.group))
                for member in one.contributors
            ),
            declared=True,
            quota={key: str(value) for key in QUOTAS if (value := getattr(one.quota, key))},
            pod_security=one.pod_security,
        )
        for one in profiles
    )


def people_problems(
    users: Sequence[UserConfig], groups: Sequence[GroupConfig], profiles: Sequence[ProfileConfig], place: PlaceOf
) -> Iterator[MlstackError]:
    """What is wrong between users, groups and profiles: names given twice, and names that nobody has."""
    yield from _twice("users", "user", [one.name for one in users], place)
    yield from _twice("users", "e-mail", [one.email for one in users], place, "email")
    yield from _twice("groups", "group", [one.name for one in groups], place)
    yield from _twice("profiles", "profile", [one.name for one in profiles], place)
    names = [user.name for user in users_of(users, groups, "host")]
    group_names = [ADMINS, *(one.name for one in groups)]
    for index, user in enumerate(users):
        for number, group in enumerate(user.groups):
            if group not in group_names:
                yield _unknown("group", group, group_names, place("users", index, "groups", number))
    for index, one in enumerate(groups):
        for number, member in enumerate(one.members):
            if member not in names:
                yield _unknown("user", member, names, place("groups", index, "members", number))
    for index, profile in enumerate(profiles):
        yield from _profile_problems(profile, names, group_names, lambda *path, at=index: place("profiles", at, *path))


def _profile_problems(
    profile: ProfileConfig, names: Sequence[str], groups: Sequence[str], place: PlaceOf
) -> Iterator[MlstackError]:
    what = name_problem(profile.name)
    if what is not None:
        yield _error("config.profile-name", what, "choose another name", place("name"))
    if "@" not in profile.owner and profile.owner not in names:
        yield _unknown("user", profile.owner, names, place("owner"))
    for number, member in enumerate(profile.contributors):
        if member.user and "@" not in member.user and member.user not in names:
            yield _unknown("user", member.user, names, place("contributors", number, "user"))
        if member.group and member.group not in groups:
            yield _unknown("group", member.group, groups, place("contributors", number, "group"))


def name_problem(profile: str) -> str | None:
    """Why a profile cannot have this name, None when it can."""
    if profile in RESERVED_NAMES or profile.startswith("kube-"):
        return f"a profile cannot be named '{profile}': the namespace of that name is not the users'"
    return None


def _twice(
    section: str, noun: str, values: Sequence[str], place: PlaceOf, field: str = "name"
) -> Iterator[MlstackError]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value and value in seen:
            yield _error(
                "config.declared-twice",
                f"{noun} '{value}' is declared twice",
                "remove one",
                place(section, index, field),
            )
        seen.add(value)


def _unknown(noun: str, name: str, known: Sequence[str], place: Place) -> MlstackError:
    other = "declare it under groups" if noun == "group" else "declare it under users, or give an e-mail"
    hint = did_you_mean(name, known)
    return _error("config.unknown-person", f"there is no {noun} '{name}'", f"{hint}; or {other}", place)


def _error(code: str, what: str, remedy: str, place: Place) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE)


def parsed(model: type[Part], data: Any) -> list[Any]:
    """Models of a list that was checked already."""
    return [model.model_validate(item) for item in data] if isinstance(data, list) else []


SECTIONS: Mapping[str, type[Part]] = {"users": UserConfig, "groups": GroupConfig, "profiles": ProfileConfig}
