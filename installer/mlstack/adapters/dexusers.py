"""Users of Dex: its Password objects, written through the Kubernetes API.

The server's create decides who wins when several add the same user: first a ConfigMap takes the name, then the Password, whose
object is named by the e-mail, takes the e-mail.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence

from mlstack.adapters.passwords import hashed
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.people import Account, User
from mlstack.core.ports import Kube

API_VERSION, KIND = "dex.coreos.com/v1", "Password"
LABEL_MADE_BY = "mlstack.dev/made-by"
_EMPTY_FNV64 = bytes.fromhex("cbf29ce484222325")
"""Dex ends the name of an object with the FNV-64 hash of nothing."""


def object_name(email: str) -> str:
    """How Dex names the Password object of an e-mail: base32 of its bytes and that constant, in lower case, unpadded."""
    return base64.b32encode(email.lower().encode() + _EMPTY_FNV64).decode("ascii").lower().rstrip("=")


class DexUsers:
    """``serviceports.Users`` over ``kube``. exports: ``namespace`` is Dex's."""

    def __init__(self, kube: Kube, exports: Mapping[str, str]) -> None:
        self._kube, self._namespace = kube, exports.get("namespace", "")

    def list(self) -> Sequence[Account]:
        """Every user, by name."""
        return sorted((_account(obj) for obj in self._objects()), key=lambda one: one.user.name)

    def add(self, account: Account, password: str) -> None:
        """Makes a user. Raises MlstackError users.exists when the name or the e-mail is taken."""
        user, hash_text = account.user, hashed(password)
        mine = self._reserve(user)
        try:
            self._kube.create(self._object(account, _encoded(hash_text), uuid.uuid4().hex))
        except MlstackError as error:
            if error.code != "kube.conflict":
                raise
            found = self._kube.get(self._rid(user.email))
            holder = str((found or {}).get("username") or "")
            if mine and holder != user.name:
                self._kube.delete(self._name(user.name))
            raise _exists(user.name, user.email, holder) from None

    def _reserve(self, user: User) -> bool:
        """Takes the name; False when it is taken for this very e-mail already, by somebody else or a run that was cut off."""
        rid = self._name(user.name)
        try:
            self._kube.create(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": rid.name, "namespace": rid.namespace},
                    "data": {"email": user.email},
                }
            )
        except MlstackError as error:
            if error.code != "kube.conflict":
                raise
            email = str(((self._kube.get(rid) or {}).get("data") or {}).get("email") or "")
            if email != user.email:
                raise _exists(user.name, email, user.name) from None
            return False
        return True

    def update(self, user: User) -> bool:
        """Makes e-mail and groups as given; the password stays. Raises MlstackError users.unknown."""
        obj = self._found(user.name)
        old = _account(obj)
        if old.user == user:
            return False
        if old.user.email == user.email:
            self._kube.patch(ResourceId.of(obj), {"groups": list(user.groups)})
            return True
        try:
            self._kube.create(self._object(Account(user, old.made_by), str(obj["hash"]), str(obj.get("userID", ""))))
        except MlstackError as error:
            holder = str((self._kube.get(self._rid(user.email)) or {}).get("username") or "")
            if error.code != "kube.conflict" or holder == user.name:
                raise
            raise _exists(user.name, user.email, holder) from None
        self._kube.patch(self._name(user.name), {"data": {"email": user.email}})
        self._kube.delete(ResourceId.of(obj))
        return True

    def set_password(self, name: str, password: str) -> None:
        """Sets a user's password. Raises MlstackError users.unknown."""
        rid = ResourceId.of(self._found(name))
        self._kube.patch(rid, {"hash": _encoded(hashed(password))})

    def remove(self, name: str) -> bool:
        """Removes a user; False when there was none."""
        found = [obj for obj in self._objects() if obj.get("username") == name]
        for obj in found:
            self._kube.delete(ResourceId.of(obj))
        return self._kube.delete(self._name(name)) or bool(found)

    def _objects(self) -> Sequence[Object]:
        resource = self._kube.resource(API_VERSION, KIND)
        if resource is None:
            raise MlstackError(
                "users.store-failed",
                "the identity provider keeps no users yet",
                why=f"{API_VERSION} {KIND} is not served",
                remedy="run `mlstack up` to its end",
                exit_code=ExitCode.NOT_READY,
            )
        return self._kube.list(resource, namespace=self._namespace)

    def _found(self, name: str) -> Object:
        for obj in self._objects():
            if obj.get("username") == name:
                return obj
        raise MlstackError(
            "users.unknown",
            f"there is no user '{name}'",
            remedy="`mlstack users list` shows the users",
            exit_code=ExitCode.USAGE,
        )

    def _rid(self, email: str) -> ResourceId:
        return ResourceId(KIND, object_name(email), self._namespace, API_VERSION)

    def _name(self, name: str) -> ResourceId:
        return ResourceId("ConfigMap", f"user-{name}", self._namespace)

    def _object(self, account: Account, encoded: str, user_id: str) -> Object:
        user, rid = account.user, self._rid(account.user.email)
        labels = {LABEL_MADE_BY: account.made_by} if account.made_by else {}
        return {
            "apiVersion": rid.api_version,
            "kind": rid.kind,
            "metadata": {"name": rid.name, "namespace": rid.namespace, "labels": labels},
            "email": user.email,
            "emailVerified": True,
            "username": user.name,
            "preferredUsername": user.name,
            "userID": user_id,
            "hash": encoded,
            "groups": list(user.groups),
        }


def _encoded(hash_text: str) -> str:
    return base64.b64encode(hash_text.encode("ascii")).decode("ascii")


def _account(obj: Object) -> Account:
    groups = tuple(sorted(str(group) for group in obj.get("groups") or ()))
    user = User(str(obj.get("username") or ""), str(obj.get("email") or ""), groups)
    return Account(user, str((obj["metadata"].get("labels") or {}).get(LABEL_MADE_BY, "")))


def _exists(name: str, email: str, holder: str) -> MlstackError:
    taken = holder != name and holder
    return MlstackError(
        "users.exists",
        f"the e-mail {email} belongs to user '{holder}'" if taken else f"there is a user '{name}' already",
        why="" if taken else f"with e-mail {email}" if email else "",
        remedy="give another --email" if taken else f"choose another name, or `mlstack users passwd {name}`",
        exit_code=ExitCode.USAGE,
    )
