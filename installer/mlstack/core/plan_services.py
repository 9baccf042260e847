"""What stacks want of one another's servers, as actions: buckets, databases, users; and what is wanted no more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from mlstack.core.actions import Action, Delete, EnsureBucket, EnsureDatabase
from mlstack.core.desired import Facts, RenderedStack
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.serviceactions import EnsureUser, PurgeBucket, RemoveUser, RevokeBucket

OBJECT_STORE = "object-store"
BUCKET, USER = "bucket:", "user:"
"""Beginnings of the ids under which an inventory remembers what was made."""


def secret_id(namespace: str, name: str) -> ResourceId:
    """The id of a Secret."""
    return ResourceId("Secret", name, namespace)


def wanted_of(stack: RenderedStack) -> Iterator[tuple[Action, ResourceId | None, str]]:
    """(action, the Secret it reads, the capability it asks) of everything the stack wants."""
    for bucket in stack.buckets:
        secret = secret_id(stack.namespace, bucket.secret) if bucket.secret else None
        ensure = EnsureBucket(
            id=f"{BUCKET}{bucket.name}" + (f":{secret.namespace}/{bucket.secret}" if secret else ""),
            title=f"Ensure bucket {bucket.name}",
            group=stack.name,
            why="not made before",
            bucket=bucket.name,
            stack=stack.name,
            provider=provider_of(stack, OBJECT_STORE),
            secret=secret,
        )
        yield ensure, secret, OBJECT_STORE
    for database in stack.databases:
        credentials = secret_id(stack.namespace, database.secret)
        make = EnsureDatabase(
            id=f"database:{database.name}:{database.user}",
            title=f"Ensure database {database.name}",
            group=stack.name,
            why="not made before",
            database=database.name,
            user=database.user,
            stack=stack.name,
            provider=provider_of(stack, "database"),
            secret=credentials,
        )
        yield make, credentials, "database"
    for user in stack.users:
        provider = provider_of(stack, IDENTITY_PROVIDER)
        person = EnsureUser(
            id=f"{USER}{user.name}",
            title=f"Ensure user {user.name}",
            group=stack.name,
            why="not there as wanted",
            user=user,
            stack=stack.name,
            provider=provider,
            secret=first_password(provider, user.name),
        )
        yield person, None, IDENTITY_PROVIDER


def first_password(provider: Mapping[str, str], name: str) -> ResourceId:
    """The Secret of the generated first password of a user; it goes when the password is changed."""
    return secret_id(provider.get("namespace", ""), f"user-{name}")


def due(action: Action, before: Collection[str], facts: Facts) -> bool:
    """Whether something that was made before has to be looked at again: a user that is not there as wanted."""
    if action.id not in before:
        return True
    if not isinstance(action, EnsureUser) or facts.accounts is None:
        return False
    account = facts.accounts.get(action.user.name)
    return account is None or account.user != action.user


def dropped(stack: RenderedStack, before: Collection[str], wanted: Collection[str]) -> Iterator[Action]:
    """What takes away the access that the stack's inventory names and that is no longer wanted. Data stays."""
    for name in sorted(set(before) - set(wanted)):
        if name.startswith(USER) and IDENTITY_PROVIDER in stack.exports:
            provider, user = provider_of(stack, IDENTITY_PROVIDER), name.removeprefix(USER)
            yield RemoveUser(
                id=f"remove-{name}",
                title=f"Remove user {user}",
                group=stack.name,
                why="no longer wanted",
                name=user,
                provider=provider,
                secret=first_password(provider, user),
            )
        bucket, _, place = name.removeprefix(BUCKET).partition(":")
        if name.startswith(BUCKET) and place and OBJECT_STORE in {*stack.providers, *stack.exports}:
            namespace, _, secret = place.partition("/")
            yield RevokeBucket(
                id=f"revoke-{name}",
                title=f"Take away the access to bucket {bucket}",
                group=stack.name,
                why="no longer wanted",
                bucket=bucket,
                provider=provider_of(stack, OBJECT_STORE),
                secret=secret_id(namespace, secret),
            )


def purge_actions(stack: RenderedStack, bucket: str, namespace: str) -> tuple[Action, ...]:
    """What deletes a bucket, its key and a namespace; the namespace last: while it is there the purge can be repeated."""
    first = PurgeBucket(
        id=f"purge-{BUCKET}{bucket}",
        title=f"Delete bucket {bucket} with its objects",
        group=stack.name,
        why="asked for",
        bucket=bucket,
        provider=provider_of(stack, OBJECT_STORE),
    )
    actions: list[Action] = [first]
    for rid in (secret_id(stack.namespace, bucket), ResourceId("Namespace", namespace)):
        delete = Delete(
            id=f"delete:{rid}",
            title=f"Delete {rid}",
            group=stack.name,
            needs=frozenset({actions[-1].id}),
            why="asked for",
            resource=rid,
            stack=stack.name,
        )
        actions.append(delete)
    return tuple(actions)


def provider_of(stack: RenderedStack, capability: str) -> Mapping[str, str]:
    """What the stack that provides a capability exports. Raises MlstackError plan.provider."""
    exports = stack.providers.get(capability) or stack.exports.get(capability)
    if exports is None:
        raise MlstackError(
            "plan.provider",
            f"{stack.name} asks for something of '{capability}' but requires no stack that provides it",
            remedy=f"Add '{capability}' to spec.requires of {stack.name}.",
            exit_code=ExitCode.USAGE,
        )
    return exports
