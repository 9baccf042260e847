"""Profiles: namespaces that belong to users. Which of them a user sees and runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlstack.core.model import Object
from mlstack_portal.cluster import NAMESPACE, ROLE_BINDING, Cluster
from mlstack_portal.who import User

LABEL_PROFILE = "mlstack.dev/profile"
"""Label of a profile's namespace: the profile's name."""
ANNOTATION_OWNER = "mlstack.dev/owner"
"""Annotation of a profile's namespace: the owner's e-mail address. A profile that was removed has none."""
ROLES = ("view", "edit", "admin", "owner")
"""From the least to the most. The last word of a bound role's name (``mlstack-profile-edit``) is one of the first three."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as one user sees it. role: one of ROLES."""

    name: str
    namespace: str
    owner: str
    role: str

    @property
    def runs(self) -> bool:
        """True when the role allows to run something."""
        return self.role != "view"


@dataclass(frozen=True, slots=True)
class Reach:
    """What a user may do here. admin: sees every namespace; profiles: the user's own; any_profiles: the platform has some.

    namespace: where runs of nobody's profile are.
    """

    admin: bool
    profiles: tuple[Profile, ...]
    any_profiles: bool
    namespace: str

    def places(self) -> list[str]:
        """Namespaces the user may run samples in."""
        own = [profile.namespace for profile in self.profiles if profile.runs]
        return [*own, self.namespace] if self.admin or not self.any_profiles else own

    def sees(self, namespace: str) -> bool:
        """True for a namespace whose runs the user may look at."""
        return self.admin or namespace in self.namespaces()

    def namespaces(self) -> list[str]:
        """Namespaces whose runs somebody who is no admin may look at."""
        own = [profile.namespace for profile in self.profiles]
        return own if self.any_profiles else [*own, self.namespace]


async def reach_of(cluster: Cluster, user: User, admin_group: str, namespace: str) -> Reach:
    """What the user may do, read now: a role that was taken away counts at once. Raises ClusterError."""
    labelled = await cluster.objects(NAMESPACE, selector=LABEL_PROFILE, metadata_only=True)
    spaces = [space for space in labelled if _owner(space)]
    bindings = await cluster.objects(ROLE_BINDING) if spaces else []
    profiles = [found for space in spaces if (found := _profile(space, bindings, user))]
    return Reach(admin_group in user.groups, tuple(profiles), bool(spaces), namespace)


def _owner(space: Object) -> str:
    return str((space["metadata"].get("annotations") or {}).get(ANNOTATION_OWNER, ""))


def _profile(space: Object, bindings: list[Object], user: User) -> Profile | None:
    metadata, owner = space["metadata"], _owner(space)
    own = [one for one in bindings if one["metadata"]["namespace"] == metadata["name"] and _names(one, user)]
    roles = [role for one in own if (role := str(one["roleRef"]["name"]).rpartition("-")[2]) in ROLES]
    if owner == user.name:
        roles.append("owner")
    if not roles:
        return None
    return Profile(metadata["labels"][LABEL_PROFILE], metadata["name"], owner, max(roles, key=ROLES.index))


def _names(binding: Object, user: User) -> bool:
    """True when a binding is for the user, a group the user is in, or the service account that the user is."""
    subjects = {_subject(subject) for subject in binding.get("subjects") or []}
    return bool(subjects & {("User", user.name), *(("Group", group) for group in user.groups)})


def _subject(subject: Mapping[str, str]) -> tuple[str, str]:
    """(``User`` or ``Group``, name); a service account is a user with a name of its own form, as in its tokens."""
    if subject["kind"] == "ServiceAccount":
        return "User", f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return subject["kind"], subject["name"]
