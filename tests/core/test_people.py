"""Users, groups and profiles: who is wanted, what is wrong, and the record on a profile's namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstack.core.configlayers import Given, resolve
from mlstack.core.errors import MlstackError, Problems
from mlstack.core.people import ADMIN, ADMINS, QUOTAS, ROLES, Member, Profile, User, from_record, merge_profiles
from mlstack.core.peopleconfig import GroupConfig, ProfileConfig, UserConfig, profiles_of, users_of

HEAD = "apiVersion: mlstack/v1alpha1\nkind: Config\n"
ANN = Profile("ann", "ann@lab")


def wrong(text: str) -> list[MlstackError]:
    with pytest.raises(Problems) as caught:
        resolve(Given(text=HEAD + text, file="mlstack.yaml"))
    return list(caught.value.problems)


def test_without_users_there_is_an_administrator() -> None:
    assert users_of([], [], "lab.localhost") == (User(ADMIN, "admin@lab.localhost", (ADMINS,)),)


@pytest.mark.parametrize(
    ("users", "groups"),
    [
        ([UserConfig(name="ann", admin=True)], []),
        ([UserConfig(name="ann", groups=[ADMINS])], []),
        ([UserConfig(name="ann")], [GroupConfig(name=ADMINS, members=["ann"])]),
    ],
    ids=["flag", "group of the user", "member of the group"],
)
def test_a_declared_administrator_is_the_only_one(users: list[UserConfig], groups: list[GroupConfig]) -> None:
    assert users_of(users, groups, "h") == (User("ann", "ann@h", (ADMINS,)),)


def test_groups_come_from_both_sides_and_an_email_counts_as_given() -> None:
    users = [UserConfig(name="ann", email="Ann@Example.org", groups=["a"])]
    found = users_of(users, [GroupConfig(name="b", members=["ann"])], "h")
    assert found[1] == User("ann", "ann@example.org", ("a", "b"))


def test_profiles_name_users_by_email() -> None:
    text = {"name": "p", "owner": "ann", "contributors": [{"user": "b@c"}, {"group": "g", "role": "edit"}]}
    config = ProfileConfig.model_validate({**text, "quota": {"cpu": "2", "pods": 5}})
    members = (Member("b@c"), Member("g", "edit", group=True))
    wanted = Profile("p", "ann@h", members, declared=True, quota={"cpu": "2", "pods": "5"})
    assert profiles_of([config], [User("ann", "ann@h")]) == (wanted,)


def test_every_problem_is_named_at_once_with_its_line() -> None:
    text = """users:
- {name: ann, groups: [reader]}
- {name: ann}
groups:
- {name: readers, members: [an]}
profiles:
- name: p
  owner: anna
  contributors:
  - {user: bob}
  - {group: redaers}
- {name: kube-x, owner: a@b}
"""
    found = wrong(text)
    assert {(problem.code, problem.place.line) for problem in found if problem.place} == {
        ("config.declared-twice", 5),
        ("config.unknown-person", 4),
        ("config.unknown-person", 7),
        ("config.unknown-person", 10),
        ("config.unknown-person", 12),
        ("config.unknown-person", 13),
        ("config.profile-name", 14),
    }
    assert all(
        "did you mean" in one.remedy for one in found if one.code == "config.unknown-person" and "bob" not in one.what
    )


@pytest.mark.parametrize(
    "text",
    [
        "users: [{name: Ann}]",
        "users: [{name: ann, email: not-an-email}]",
        "users: [{name: ann, groups: ['system:masters']}]",
        "users: [{name: ann, password: secret}]",
        "profiles: [{name: p, owner: 'a b'}]",
        "profiles: [{name: p, owner: admin, contributors: [{role: view}]}]",
        "profiles: [{name: p, owner: admin, contributors: [{user: admin, group: admins}]}]",
        "profiles: [{name: p, owner: admin, contributors: [{user: admin, role: owner}]}]",
        "profiles: [{name: p, owner: admin, quota: {cpu: much}}]",
    ],
)
def test_values_that_cannot_be_are_refused_with_their_place(text: str) -> None:
    (problem,) = wrong(text)
    assert problem.place is not None and problem.place.line == 3


def test_users_may_come_from_a_flag() -> None:
    assert resolve(Given(sets=("users=[{name: ann}]",))).config.users == [UserConfig(name="ann")]
    with pytest.raises(Problems) as caught:
        resolve(Given(sets=("profiles=[{name: p, owner: adnim}]",)))
    assert "did you mean 'admin'?" in caught.value.problems[0].remedy
    assert str(caught.value.problems[0].place) == "flag --set profiles[0].owner"


names = st.from_regex(r"[a-z][-a-z0-9]{0,10}[a-z0-9]", fullmatch=True)
members = st.builds(Member, name=st.text(max_size=20), role=st.sampled_from(ROLES), group=st.booleans())
profiles = st.builds(
    Profile,
    name=names,
    owner=st.text(max_size=30),
    members=st.lists(members, max_size=4).map(tuple),
    declared=st.booleans(),
    removed=st.booleans(),
    quota=st.dictionaries(st.sampled_from(QUOTAS), st.text(max_size=5)),
    pod_security=st.sampled_from(["", "baseline"]),
)


@given(profiles)
def test_a_record_gives_the_profile_back(profile: Profile) -> None:
    assert from_record(profile.name, profile.to_record()) == profile


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"owner": 1}', ANN.to_record().replace("[]", '[{"name": "x"}]')]
)
def test_a_damaged_record_is_an_error_with_a_remedy(text: str) -> None:
    with pytest.raises(MlstackError, match="cannot be read") as caught:
        from_record("ann", text)
    assert caught.value.code == "profiles.damaged" and "ann" in caught.value.remedy


@given(st.lists(profiles, max_size=5), st.lists(profiles, max_size=5))
def test_no_profile_is_lost_and_none_is_both_there_and_removed(declared: list[Profile], there: list[Profile]) -> None:
    declared = list({one.name: one for one in declared}.values())
    there = list({one.name: one for one in there}.values())
    merged = merge_profiles(tuple(declared), tuple(there), ANN)
    active, closed = [one.name for one in merged.profiles], [one.name for one in merged.removed]
    assert (
        sorted({*active, *closed})
        == sorted([*active, *closed])
        == sorted({"ann", *(p.name for p in (*declared, *there))})
    )
    assert {one.name for one in declared} <= set(active)
    assert all(one.removed and not one.declared for one in merged.removed)


def test_what_the_configuration_declared_and_declares_no_more_is_closed() -> None:
    before = Profile("p", "ann@lab", declared=True)
    assert merge_profiles((), (before,), None).removed == (Profile("p", "ann@lab", removed=True),)
    assert merge_profiles((before,), (Profile("p", "bob@lab"),), None).profiles == (before,)


def test_the_administrators_profile_may_be_shared_and_removed() -> None:
    default = Profile(ADMIN, "admin@lab")
    shared = Profile(ADMIN, "admin@lab", (Member("bob@lab"),))
    assert merge_profiles((), (), default).profiles == (default,)
    assert merge_profiles((), (shared,), default).profiles == (shared,)
    gone = Profile(ADMIN, "admin@lab", removed=True)
    assert merge_profiles((), (gone,), default).profiles == ()
