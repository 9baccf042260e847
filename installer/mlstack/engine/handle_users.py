"""Handlers for users of the identity provider. A password goes from here to the store and into its Secret, nowhere else."""

from __future__ import annotations

from mlstack.core.actions import GenerateSecret
from mlstack.core.errors import MlstackError
from mlstack.core.people import Account
from mlstack.core.ports import Kube
from mlstack.core.serviceactions import EndSessions, EnsureUser, RemoveUser
from mlstack.engine.context import Context
from mlstack.engine.done import Done
from mlstack.engine.handle_secrets import generate_secret
from mlstack.engine.handle_services import fields

LENGTH = 24
"""Characters of a generated password: 142 bits."""
UP = "up"


def ensure_user(context: Context, action: EnsureUser) -> Done:
    """Makes the user with a generated password; one that is there keeps its own, with e-mail and groups as wanted."""
    kube = context.access.writer()
    users = context.ports.users(kube, action.provider)
    if any(account.user.name == action.user.name for account in users.list()):
        return Done(users.update(action.user), "there already")
    try:
        users.add(Account(action.user, UP), _first_password(context, kube, action))
    except MlstackError as error:
        # somebody who ran `users add` at this moment was faster
        if error.code != "users.exists" or all(one.user.name != action.user.name for one in users.list()):
            raise
        return Done(users.update(action.user), "there already")
    return Done()


def _first_password(context: Context, kube: Kube, action: EnsureUser) -> str:
    """The password in the user's Secret, which is made where it is absent: a run that was cut off goes on with it."""
    make = GenerateSecret(
        id=f"secret:{action.secret.namespace}/{action.secret.name}",
        title=f"Generate {action.secret}",
        group=action.stack,
        namespace=action.secret.namespace,
        name=action.secret.name,
        stack=action.stack,
        keys={"password": LENGTH},
        literals={"username": action.user.name},
    )
    generate_secret(context, make)
    return fields(kube, action.secret, "password")[0]


def remove_user(context: Context, action: RemoveUser) -> Done:
    """Removes the user if an ``up`` made it, with the Secret of the first password."""
    kube = context.access.writer()
    users = context.ports.users(kube, action.provider)
    made_by = {account.user.name: account.made_by for account in users.list()}
    if made_by.get(action.name) != UP:
        return Done(False, "kept: mlstack up did not make it" if action.name in made_by else "gone already")
    kube.delete(action.secret)
    return Done(users.remove(action.name))


def end_sessions(context: Context, action: EndSessions) -> Done:
    """Ends every session."""
    ended = context.ports.sessions(context.access.writer(), action.provider).end_all()
    return Done(ended, "" if ended else "nobody is logged in")
