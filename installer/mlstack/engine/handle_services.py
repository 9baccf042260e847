"""Handlers for what other stacks serve: buckets and databases. Credentials come from Secrets and go to the servers only."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlstack.core.actions import EnsureBucket, EnsureDatabase
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.ports import Kube
from mlstack.core.serviceactions import PurgeBucket, RevokeBucket
from mlstack.core.serviceports import ObjectStore
from mlstack.engine.context import Context
from mlstack.engine.done import Done


def fields(kube: Kube, rid: ResourceId, *names: str) -> list[str]:
    """Values of a Secret. Raises MlstackError secret.missing, naming the key but no value."""
    found = kube.get(rid)
    data: Mapping[str, str] = (found or {}).get("data") or {}
    for name in names:
        if name not in data:
            raise MlstackError(
                "secret.missing",
                f"{rid} has no key '{name}'" if found else f"{rid} is not there",
                remedy="Correct the stack's secrets, or delete the Secret and run `mlstack up`, which makes it anew.",
            )
    return [base64.b64decode(data[name]).decode() for name in names]


def _exported(provider: Mapping[str, str], capability: str, *names: str) -> list[str]:
    absent = [name for name in names if not provider.get(name)]
    if absent:
        raise MlstackError(
            "stack.exports",
            f"The stack that provides '{capability}' does not export {', '.join(absent)}",
            remedy=f"Add the values to spec.exports.{capability} of that stack.",
        )
    return [str(provider[name]) for name in names]


@contextmanager
def _object_store(context: Context, kube: Kube, provider: Mapping[str, str]) -> Iterator[ObjectStore]:
    """The object store through a forwarded port of its Service, with the administrator's credentials."""
    names = ("namespace", "service", "port", "secret", "accessKeyField", "secretKeyField")
    namespace, service, port, secret, access_field, secret_field = _exported(provider, "object-store", *names)
    access, key = fields(kube, ResourceId("Secret", secret, namespace), access_field, secret_field)
    with kube.forward(namespace, service, int(port)) as local:
        yield context.ports.object_store(f"127.0.0.1:{local}", access, key)


def ensure_bucket(context: Context, action: EnsureBucket) -> Done:
    """Makes a bucket, and the user confined to it."""
    kube = context.access.writer()
    with _object_store(context, kube, action.provider) as store:
        changed = store.ensure_bucket(action.bucket)
        if action.secret is not None:
            user, password = fields(kube, action.secret, "accesskey", "secretkey")
            changed = store.ensure_user(user, password, action.bucket) or changed
    return Done(changed)


def revoke_bucket(context: Context, action: RevokeBucket) -> Done:
    """Removes the user confined to a bucket; without its Secret nobody knows the user any more."""
    kube = context.access.writer()
    if kube.get(action.secret) is None:
        return Done(False, f"{action.secret} is gone already")
    user = fields(kube, action.secret, "accesskey")[0]
    with _object_store(context, kube, action.provider) as store:
        return Done(store.remove_user(user))


def purge_bucket(context: Context, action: PurgeBucket) -> Done:
    """Deletes a bucket with its objects, the policy that let users into it and such users."""
    with _object_store(context, context.access.writer(), action.provider) as store:
        emptied = store.remove_bucket(action.bucket)
        return Done(store.remove_access(action.bucket) or emptied)


def ensure_database(context: Context, action: EnsureDatabase) -> Done:
    """Makes a database and the user confined to it."""
    kube = context.access.writer()
    password = fields(kube, action.secret, "password")[0]
    server = context.ports.database(kube, action.provider)
    changed = server.ensure_database(action.database)
    return Done(server.ensure_user(action.user, password, action.database) or changed)
