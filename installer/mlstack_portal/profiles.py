"""Profiles: namespaces that belong to users. Which of them a user sees and runs in."""

from __future__ import annotations

from dataclasses import dataclass

from mlstack.core.model import Object
from mlstack_portal.cluster import NAMESPACE, ROLE_BINDING, Cluster
from mlstack_portal.who import User

LABEL_PROFILE = "mlstack.dev/profile"
"""Label of a profile's namespace: the profile's name."""
ANNOTATION_OWNER = "mlstack.dev/owner"
"""Annotation of a profile's namespace: the owner's e-mail address."""
ANNOTATION_USER = "mlstack.dev/user"
"""Annotation of a RoleBinding in a profile: the contributor's e-mail address."""
ACCOUNT = "default-editor"
"""The service account that a profile's runs have."""
ROLES = ("view", "edit", "admin", "owner")
"""From the least to the most."""


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

    def places(self) -> dict[str, str]:
        """Namespaces the user may run samples in -> the service account to use, empty for the namespace's default."""
        own = {profile.namespace: ACCOUNT for profile in self.profiles if profile.runs}
        shared = {self.namespace: ""} if self.admin or not self.any_profiles else {}
        return {**own, **shared}

    def sees(self, namespace: str) -> bool:
        """True for a namespace whose runs the user may look at."""
        return self.admin or namespace in self.namespaces()

    def namespaces(self) -> list[str]:
        """Namespaces whose runs somebody who is no admin may look at."""
        own = [profile.namespace for profile in self.profiles]
        return own if self.any_profiles else [*own, self.namespace]


async def reach_of(cluster: Cluster, user: User, admin_group: str, namespace: str) -> Reach:
    """What the user may do, read now: a role that was taken away counts at once. Raises ClusterError."""
    spaces = await cluster.objects(NAMESPACE, selector=LABEL_PROFILE, metadata_only=True)
    bindings = await cluster.objects(ROLE_BINDING) if spaces else []
    profiles = [found for space in spaces if (found := _profile(space, bindings, user))]
    return Reach(admin_group in user.groups, tuple(profiles), bool(spaces), namespace)


def _profile(space: Object, bindings: list[Object], user: User) -> Profile | None:
    metadata = space["metadata"]
    owner = str((metadata.get("annotations") or {}).get(ANNOTATION_OWNER, ""))
    roles = [_role(one) for one in bindings if one["metadata"]["namespace"] == metadata["name"] and _names(one, user)]
    if owner == user.name:
        roles.append("owner")
    if not roles:
        return None
    return Profile(metadata["labels"][LABEL_PROFILE], metadata["name"], owner, max(roles, key=ROLES.index))


def _names(binding: Object, user: User) -> bool:
    return bool((binding["metadata"].get("annotations") or {}).get(ANNOTATION_USER) == user.name)


def _role(binding: Object) -> str:
    """The role by the last word of the bound role's name (``mlstack-edit``); the least one for a name that says none."""
    word = str(binding["roleRef"]["name"]).rpartition("-")[2]
    return word if word in ROLES[:3] else ROLES[0]
