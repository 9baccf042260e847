"""Users of Keycloak, by its admin API: one realm's users and groups. The server decides who wins when several add the same user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mlstack.adapters.keycloakapi import Conflict, KeycloakApi, Session, credential, failed
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.people import Account, User
from mlstack.core.ports import Kube

MADE_BY = "mlstack-made-by"
"""Attribute of a user: what made it."""
PAGE = 500


class KeycloakUsers:
    """``serviceports.Users``. exports: as of KeycloakApi, and clientId, clientSecret (a Secret), callback."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._api, self._exports = KeycloakApi(kube, exports), exports

    def list(self) -> Sequence[Account]:
        """Every user, by name."""
        with self._api.open() as api:
            groups: dict[str, set[str]] = {}
            for group in _pages(api, "/groups"):
                for member in _pages(api, f"/groups/{group['id']}/members"):
                    groups.setdefault(str(member["id"]), set()).add(str(group["name"]))
            users = [_account(user, groups.get(str(user["id"]), set())) for user in _pages(api, "/users")]
        return sorted(users, key=lambda one: one.user.name)

    def add(self, account: Account, password: str) -> None:
        """Makes a user. Raises MlstackError users.exists when the name or the e-mail is taken."""
        user = account.user
        with self._api.open() as api:
            self._align(api)
            for name in user.groups:
                _group(api, name)
            body = {
                "username": user.name,
                "email": user.email,
                "emailVerified": True,
                "enabled": True,
                "firstName": user.name,
                "attributes": {MADE_BY: [account.made_by]} if account.made_by else {},
                "groups": [f"/{name}" for name in user.groups],
                "credentials": [credential(password)],
            }
            try:
                api.post("/users", body)
            except Conflict:
                raise _exists(api, user) from None

    def update(self, user: User) -> bool:
        """Makes e-mail and groups as given; the password stays. Raises MlstackError users.unknown, users.exists."""
        with self._api.open() as api:
            self._align(api)
            found = _found(api, user.name)
            path, changed = f"/users/{found['id']}", False
            if str(found.get("email", "")) != user.email:
                try:
                    api.put(path, {**found, "email": user.email, "emailVerified": True})
                except Conflict:
                    raise _exists(api, user) from None
                changed = True
            present = {str(group["name"]): str(group["id"]) for group in api.get(f"{path}/groups", max=PAGE)}
            for name in sorted(set(user.groups) - set(present)):
                api.put(f"{path}/groups/{_group(api, name)}")
            for name in sorted(set(present) - set(user.groups)):
                api.delete(f"{path}/groups/{present[name]}")
            return changed or set(present) != set(user.groups)

    def set_password(self, name: str, password: str) -> None:
        """Sets a user's password and ends the user's sessions. Raises MlstackError users.unknown."""
        with self._api.open() as api:
            path = f"/users/{_found(api, name)['id']}"
            api.put(f"{path}/reset-password", credential(password))
            api.post(f"{path}/logout", None)

    def remove(self, name: str) -> bool:
        """Removes a user; False when there was none."""
        with self._api.open() as api:
            found = api.user(name)
            if found is not None:
                api.delete(f"/users/{found['id']}")
            return found is not None

    def _align(self, api: Session) -> None:
        """The realm as this instance needs it: it was imported once, and its database outlives clusters and Secrets."""
        profile = api.get("/users/profile")
        wanted = _profile(profile)
        if profile != wanted:
            api.put("/users/profile", wanted)
        for client in api.get("/clients", clientId=self._exports["clientId"]):
            secret = self._api.secret(self._exports["clientSecret"], "client-secret")[0]
            fixed = {"secret": secret, "redirectUris": [self._exports["callback"]]}
            if any(client.get(key) != value for key, value in fixed.items()):
                api.put(f"/clients/{client['id']}", {**client, **fixed})


def _profile(profile: Mapping[str, Any]) -> dict[str, Any]:
    """What users have to tell: an e-mail is enough, and administrators may note more."""
    names = ("firstName", "lastName")
    attributes = [
        {key: value for key, value in one.items() if key != "required" or one.get("name") not in names}
        for one in profile.get("attributes", [])
    ]
    return {**profile, "attributes": attributes, "unmanagedAttributePolicy": "ADMIN_EDIT"}


def _pages(api: Session, path: str) -> list[dict[str, Any]]:
    """All items of a collection."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.get(path, first=len(found), max=PAGE, briefRepresentation="false")
        found += page
        if len(page) < PAGE:
            return found


def _group(api: Session, name: str) -> str:
    """The id of a group, which is made where it is absent; of several who make it one wins, and all use it."""
    for last in (False, True):
        for group in _pages(api, "/groups"):
            if group["name"] == name:
                return str(group["id"])
        if not last:
            with suppress(Conflict):
                api.post("/groups", {"name": name})
    raise failed(f"group '{name}' cannot be made", "it is not there afterwards")


def _found(api: Session, name: str) -> dict[str, Any]:
    user = api.user(name)
    if user is None:
        raise MlstackError(
            "users.unknown",
            f"there is no user '{name}'",
            remedy="`mlstack users list` shows the users",
            exit_code=ExitCode.USAGE,
        )
    return user


def _account(user: Mapping[str, Any], groups: set[str]) -> Account:
    made_by = [*((user.get("attributes") or {}).get(MADE_BY) or []), ""][0]
    return Account(User(str(user["username"]), str(user.get("email") or ""), tuple(sorted(groups))), str(made_by))


def _exists(api: Session, user: User) -> MlstackError:
    """Who has the name or the e-mail."""
    same = api.user(user.name)
    taken = [] if same and same.get("email") == user.email else api.get("/users", email=user.email, exact="true")
    holder = next((str(one["username"]) for one in taken if one["username"] != user.name), "")
    return MlstackError(
        "users.exists",
        f"the e-mail {user.email} belongs to user '{holder}'" if holder else f"there is a user '{user.name}' already",
        remedy="give another --email" if holder else f"choose another name, or `mlstack users passwd {user.name}`",
        exit_code=ExitCode.USAGE,
    )
