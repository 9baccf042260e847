"""The profiles of an instance: list, add, share, remove. What is chosen by command is kept on the profile's namespace, so that
every ``up``, from whatever host, knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.lifecycle import carry_out, changing, run_plan
from mlstack.app.people import ProfileSpace, email_of, labels_of, no_profile, space_of, spaces
from mlstack.core.accounts import ContributorInfo, ProfileInfo
from mlstack.core.actions import Plan, Report
from mlstack.core.desired import Facts, HostFacts
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import LABEL_INSTANCE, Object, ResourceId
from mlstack.core.people import ANNOTATION_RECORD, LABEL_PROFILE, PROFILES, Member, Profile, Role
from mlstack.core.peopleconfig import GROUP, NAME, name_problem
from mlstack.core.plan_services import purge_actions
from mlstack.engine.inventory import read_inventories

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.desired import RenderedStack
    from mlstack.core.ports import Kube

TRIES = 5
"""How often a record is written anew when somebody else changed it meanwhile."""


def list_profiles(session: Session) -> list[ProfileInfo]:
    """Every profile, those that wait for the next ``up`` and those whose data is kept included."""
    profile_stack(session)
    with observing.reader(session) as kube:
        there = {one.profile.name: one for one in spaces(kube, session.name)}
    people = session.people
    known = {one.name: one for one in (*people.profiles, *people.removed)}
    for name, space in there.items():
        known.setdefault(name, space.profile)
    closed = {one.name for one in people.removed}
    return [_info(one, there.get(name), name in closed) for name, one in sorted(known.items())]


def _info(profile: Profile, space: ProfileSpace | None, closed: bool) -> ProfileInfo:
    if space is not None and space.ending:
        state = "ending"
    elif closed:
        state = "removed"
    else:
        state = "ready" if space is not None and space.made else "pending"
    members = tuple(ContributorInfo(name=one.name, role=one.role, group=one.group) for one in profile.members)
    return ProfileInfo(
        name=profile.name,
        owner=profile.owner,
        state=state,
        source="declared" if profile.declared else "command",
        bucket=profile.bucket,
        contributors=members,
        quota=profile.quota,
    )


def add_profile(session: Session, name: str, owner: str, quota: Mapping[str, str]) -> Report:
    """Makes a profile, or opens one that was removed. Raises profiles.exists when it is somebody else's."""
    profile_stack(session)
    _check_name(session, name)
    with changing(session, "profiles add") as mine:
        with observing.reader(mine) as kube:
            wanted = Profile(name, email_of(mine, kube, owner), quota=dict(quota))
            try:
                kube.create(namespace_of(mine.name, wanted))
            except MlstackError as error:
                if error.code != "kube.conflict":
                    raise
                if not _is_profile(mine, kube.get(ResourceId("Namespace", name))):
                    raise _bad_name(f"there is a namespace '{name}' that is no profile of '{mine.name}'") from None
                change_record(mine, kube, name, lambda found: _reopened(found, wanted))
        return applied(mine)


def _check_name(session: Session, name: str) -> None:
    problem = None if re.fullmatch(NAME, name) else f"a profile cannot be named '{name}'"
    profiles = {one.name for one in (*session.people.profiles, *session.people.removed)}
    for stack in session.stacks:
        for rid in map(ResourceId.of, stack.objects):
            if rid.kind == "Namespace" and rid.name == name and name not in profiles:
                problem = f"the namespace '{name}' is that of stack {stack.name}"
    problem = problem or name_problem(name)
    if problem:
        raise _bad_name(problem)
    _not_declared(session, name)


def _bad_name(what: str) -> MlstackError:
    return MlstackError(
        "profiles.bad-name",
        what,
        remedy="choose another name: lower-case letters, digits and dashes, at most 40",
        exit_code=ExitCode.USAGE,
    )


def _is_profile(session: Session, obj: Object | None) -> bool:
    labels = labels_of(obj) if obj else {}
    return labels.get(LABEL_INSTANCE) == session.name and LABEL_PROFILE in labels


def _not_declared(session: Session, name: str) -> None:
    declared = [one.name for one in session.config.profiles]
    if name in declared:
        raise MlstackError(
            "profiles.declared",
            f"profile '{name}' is declared in the configuration",
            remedy="change it there, then run `mlstack up`",
            place=session.resolved.place_of((PROFILES, declared.index(name), "name")),
            exit_code=ExitCode.USAGE,
        )


def namespace_of(instance: str, profile: Profile) -> Object:
    """The namespace that makes a profile known: the next ``up`` makes the rest."""
    labels = {LABEL_INSTANCE: instance, LABEL_PROFILE: profile.name}
    metadata = {"name": profile.name, "labels": labels, "annotations": {ANNOTATION_RECORD: profile.to_record()}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _reopened(found: Profile, wanted: Profile) -> Profile:
    """The profile that is there, opened again if it was removed. Raises profiles.exists when it is in use by another owner."""
    if found.removed or found.declared:
        return wanted
    if found.owner != wanted.owner:
        raise MlstackError(
            "profiles.exists",
            f"there is a profile '{found.name}' already",
            why=f"it belongs to {found.owner}",
            remedy="choose another name, or share that one: `mlstack profiles share`",
            exit_code=ExitCode.USAGE,
        )
    return replace(found, quota=wanted.quota or found.quota)


def share_profile(session: Session, name: str, person: str, role: Role | None, group: bool) -> Report:
    """Shares a profile with a user or a group; role None takes the share back. Raises profiles.unknown, users.unknown."""
    profile_stack(session)
    _not_declared(session, name)
    with changing(session, "profiles share") as mine:
        with observing.reader(mine) as kube:
            who = _group(person) if group else email_of(mine, kube, person)

            def shared(found: Profile) -> Profile:
                others = tuple(one for one in found.members if (one.name, one.group) != (who, group))
                return replace(found, members=others if role is None else (*others, Member(who, role, group)))

            change_record(mine, kube, name, shared, opened=True)
        return applied(mine)


def _group(name: str) -> str:
    if re.fullmatch(GROUP, name):
        return name
    raise MlstackError(
        "profiles.bad-group",
        f"'{name}' cannot be a group's name",
        remedy="give a group as a login carries it; Kubernetes' own, which have colons, are not among them",
        exit_code=ExitCode.USAGE,
    )


def remove_profile(session: Session, name: str, purge: bool) -> Report:
    """Takes all access to a profile away and keeps its namespace, volumes and bucket; purge: deletes them too."""
    stack = profile_stack(session)
    _not_declared(session, name)
    with changing(session, "profiles remove") as mine:
        with observing.reader(mine) as kube:
            change_record(mine, kube, name, lambda found: replace(found, removed=True, declared=False))
        report = applied(mine)
        if not (purge and report.ok):
            return report
        return purge_profiles(mine, stack, [name], "profiles remove")


def purge_profiles(session: Session, stack: RenderedStack, names: Sequence[str], command: str) -> Report:
    """Deletes what is left of profiles whose access an ``up`` has taken away."""
    actions = [action for name in names for action in purge_actions(stack, Profile(name, "").bucket, name)]
    with observing.reader(session) as kube:
        known = read_inventories(kube, session.name)
    facts = Facts(HostFacts(), observing.observe_cluster(session), inventory=known)
    report = run_plan(session, command, Plan(session.name, command, tuple(actions)), facts)
    # what is gone is written down as gone, so that nothing is left for the next `up`
    return applied(session) if report.ok else report


def change_record(
    session: Session, kube: Kube, name: str, change: Callable[[Profile], Profile], *, opened: bool = False
) -> None:
    """Writes the record of a profile anew, only over what was read. opened: one that was removed counts as unknown."""
    rid = ResourceId("Namespace", name)
    for attempt in range(TRIES):
        obj = kube.get(rid)
        if obj is None or not _is_profile(session, obj):
            raise _unknown(session, kube, name, foreign=obj is not None)
        found = space_of(obj).profile
        if opened and found.removed:
            raise _unknown(session, kube, name, foreign=False)
        wanted = change(found)
        if wanted == found:
            return
        annotations = {**(obj["metadata"].get("annotations") or {}), ANNOTATION_RECORD: wanted.to_record()}
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        try:
            kube.replace({**obj, "metadata": {**metadata, "annotations": annotations}})
        except MlstackError as error:
            if error.code != "kube.conflict" or attempt == TRIES - 1:
                raise
        else:
            return


def _unknown(session: Session, kube: Kube, name: str, *, foreign: bool) -> MlstackError:
    known = [one.profile.name for one in spaces(kube, session.name) if not one.profile.removed]
    return no_profile(
        name, known, f"Namespace/{name} is there and is no profile of '{session.name}'" if foreign else ""
    )


def profile_stack(session: Session) -> RenderedStack:
    """The stack that makes profiles. Raises profiles.no-stack."""
    names = [one.entry.name for one in session.selection.stacks if PROFILES in one.entry.document.spec.provides]
    if not names:
        raise MlstackError(
            "profiles.no-stack",
            f"'{session.name}' has no profiles: none of its stacks makes them",
            remedy="use a profile of the release that has them (`mlstack up --profile standard`), or enable stack profiles",
            exit_code=ExitCode.USAGE,
        )
    return next(stack for stack in session.stacks if stack.name in names)


def applied(session: Session) -> Report:
    """Brings the platform to what the records say now; what the session read before counts no more."""
    return carry_out(replace(session, seen=None), "up", lambda _changes: True, host_changes=False)
