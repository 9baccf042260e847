"""The stores of users by what an identity provider's exports name (``users``): Dex's password objects, Keycloak's admin API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlstack.adapters.dexusers import DexUsers
from mlstack.adapters.keycloakusers import KeycloakUsers
from mlstack.core.errors import MlstackError, did_you_mean
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.ports import Kube
from mlstack.core.serviceports import Users

STORES: Mapping[str, Callable[[Kube, Mapping[str, str]], Users]] = {
    "passwords.dex.coreos.com": DexUsers,
    "admin.keycloak.org": KeycloakUsers,
}


def open_users(kube: Kube, exports: Mapping[str, str]) -> Users:
    """The store that the exports describe. Raises MlstackError users.unknown-store."""
    kind = exports.get("users", "")
    if kind not in STORES:
        raise MlstackError(
            "users.unknown-store",
            f"users are kept in '{kind}', which mlstack does not know",
            remedy=f"correct exports.{IDENTITY_PROVIDER}.users of the providing stack: {did_you_mean(kind, list(STORES))}",
        )
    return STORES[kind](kube, exports)
