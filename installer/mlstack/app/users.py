"""The users of an instance: list, add, passwords, remove, tokens. The identity provider's store is the truth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.people import identity_exports, provides, user_store
from mlstack.core.accounts import TokenInfo, UserChanged, UserInfo
from mlstack.core.errors import ExitCode, MlstackError, Problems, did_you_mean
from mlstack.core.people import ADMINS, LOGIN, PROFILES, Account, People, User
from mlstack.core.peopleconfig import EMAIL, GROUP, NAME, default_email
from mlstack.core.plan_services import first_password
from mlstack.core.routes import GATEWAY

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

MADE_BY = "command"
EDITOR = "default-editor"
"""The service account of a profile that its users' programs work as."""


def list_users(session: Session) -> list[UserInfo]:
    """Every user, those that are declared and not made yet included."""
    with observing.reader(session) as kube:
        accounts = list(user_store(session, kube).list())
    there = {account.user.name for account in accounts}
    missing = [Account(user) for user in session.people.users if user.name not in there]
    infos = [_info(session.people, one, one.user.name in there) for one in [*accounts, *missing]]
    return sorted(infos, key=lambda info: info.name)


def _info(people: People, account: Account, there: bool = True) -> UserInfo:
    user = account.user
    declared = user.name in {one.name for one in people.users}
    return UserInfo(
        name=user.name,
        email=user.email,
        groups=user.groups,
        admin=user.admin,
        source="declared" if declared else "command" if account.made_by == MADE_BY else "other",
        there=there,
        profiles=tuple(one.name for one in people.profiles if one.owner == user.email),
    )


def add_user(session: Session, name: str, email: str, groups: Sequence[str], password: str | None) -> UserChanged:
    """Makes a user. password None: one is generated and given back. Raises users.exists and Problems users.invalid."""
    from mlstack.adapters import passwords
    from mlstack.app.target import external

    user = User(name, (email or default_email(name, external(session).host)).lower(), tuple(sorted(set(groups))))
    problems = _problems(user)
    try:
        if password is not None:
            passwords.check(password)
    except MlstackError as error:
        problems.append(error)
    if problems:
        raise Problems("users.invalid", f"user '{name}' cannot be made", problems, ExitCode.USAGE)
    _not_declared(session, name, "made")
    word = passwords.generate() if password is None else password
    account = Account(user, MADE_BY)
    with observing.reader(session) as kube:
        user_store(session, kube).add(account, word)
    user_info, shown = _info(session.people, account), word if password is None else ""
    return UserChanged(user=user_info, password=shown, profile_possible=provides(session, PROFILES))


def _problems(user: User) -> list[MlstackError]:
    checks = [("name", user.name, NAME), ("e-mail", user.email, EMAIL), *(("group", one, GROUP) for one in user.groups)]
    return [
        MlstackError(
            "users.bad-value",
            f"'{value}' cannot be a user's {noun}",
            remedy="a name has lower-case letters, digits and dashes, at most 40"
            if noun == "name"
            else f"correct it: it has to match {pattern}",
            exit_code=ExitCode.USAGE,
        )
        for noun, value, pattern in checks
        if not re.fullmatch(pattern, value)
    ]


def _not_declared(session: Session, name: str, verb: str) -> None:
    """Raises MlstackError users.declared for a user that ``up`` makes."""
    if name not in {user.name for user in session.people.users}:
        return
    declared = [one.name for one in session.config.users]
    where = session.resolved.place_of(("users", declared.index(name), "name")) if name in declared else None
    raise MlstackError(
        "users.declared",
        f"user '{name}' is {verb} by `mlstack up`",
        why="" if where else "it is the administrator where the configuration declares no other",
        remedy="change it there, then run `mlstack up`"
        if where
        else "declare another administrator under users in mlstack.yaml",
        place=where,
        exit_code=ExitCode.USAGE,
    )


def set_password(session: Session, name: str, password: str | None) -> UserChanged:
    """Sets a user's password; None generates one. What `mlstack credentials` showed of the user is forgotten."""
    from mlstack.adapters import passwords

    if password is not None:
        passwords.check(password)
    word = passwords.generate() if password is None else password
    with observing.reader(session) as kube:
        users = user_store(session, kube)
        account = _account(users.list(), name)
        users.set_password(name, word)
        _forget_first(session, kube, name)
    return UserChanged(user=_info(session.people, account), password=word if password is None else "")


def _forget_first(session: Session, kube: Kube, name: str) -> None:
    exports = identity_exports(session)
    if exports is not None:
        kube.delete(first_password(exports, name))


def _end_sessions(session: Session, kube: Kube) -> None:
    """Nobody can tell whose a session is, so all end."""
    from mlstack.adapters.sessions import open_sessions

    exports = session.exports(LOGIN)
    if exports.get("sessions"):
        open_sessions(kube, exports).end_all()


def _account(accounts: Sequence[Account], name: str) -> Account:
    for account in accounts:
        if account.user.name == name:
            return account
    raise MlstackError(
        "users.unknown",
        f"there is no user '{name}'",
        remedy=did_you_mean(name, [account.user.name for account in accounts])
        or "`mlstack users list` shows the users",
        exit_code=ExitCode.USAGE,
    )


def remove_user(session: Session, name: str) -> UserInfo:
    """Removes a user and ends all sessions; profiles stay. Raises users.unknown, users.declared, users.last-admin."""
    _not_declared(session, name, "kept")
    with observing.reader(session) as kube:
        users = user_store(session, kube)
        accounts = users.list()
        account = _account(accounts, name)
        if account.user.admin and not any(one.user.admin for one in accounts if one is not account):
            raise MlstackError(
                "users.last-admin",
                f"'{name}' is the last administrator",
                remedy=f"make another first: `mlstack users add NAME --group {ADMINS}`",
                exit_code=ExitCode.USAGE,
            )
        users.remove(name)
        _end_sessions(session, kube)
        _forget_first(session, kube, name)
    return _info(session.people, account)


def user_token(session: Session, name: str, profile: str, audience: str, seconds: int) -> TokenInfo:
    """A token of the user's profile for programs. profile, audience: empty for the user's own and the gateway's."""
    with observing.reader(session) as kube:
        user = _account(user_store(session, kube).list(), name).user
        own = [one.name for one in session.people.profiles if one.owner == user.email]
        chosen = profile or (name if name in own else own[0] if own else "")
        if chosen not in own:
            raise MlstackError(
                "users.no-profile",
                f"'{name}' owns no profile" + (f" '{profile}'" if profile else ""),
                why=f"own profiles: {', '.join(own)}" if own else "a token speaks for a service account of a profile",
                remedy=f"name one of them with --profile, or run `mlstack profiles add NAME --owner {name}`",
                exit_code=ExitCode.USAGE,
            )
        where = audience or _gateway_audience(session)
        token, expires = kube.token(chosen, EDITOR, [where], seconds)
    account = f"system:serviceaccount:{chosen}:{EDITOR}"
    return TokenInfo(user=name, profile=chosen, account=account, audience=where, expires=expires, token=token)


def _gateway_audience(session: Session) -> str:
    audience = session.exports(GATEWAY).get("audience", "")
    if not audience:
        raise MlstackError(
            "users.no-audience",
            "no stack says for whom a token would be",
            remedy="give --audience",
            exit_code=ExitCode.USAGE,
        )
    return audience
