"""Users and profiles by command: what is written into the cluster, what is refused, what ``up`` reads from it again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlstack.adapters import passwords
from mlstack.adapters.kube import KubeClient
from mlstack.app import observing, profiles, users
from mlstack.app.people import people_of, spaces
from mlstack.app.session import Session
from mlstack.core.actions import Outcome, Report, Result
from mlstack.core.configlayers import Given, resolve
from mlstack.core.context import ExternalFacts
from mlstack.core.desired import RenderedStack
from mlstack.core.errors import MlstackError, Problems
from mlstack.core.model import ClusterFacts, ClusterState
from mlstack.core.people import ANNOTATION_RECORD, Member, People, User
from mlstack.engine.lock import HostLock

HEAD = "apiVersion: mlstack/v1alpha1\nkind: Config\n"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}
IDENTITY = {"users": "passwords.dex.coreos.com", "namespace": "auth"}


@dataclass
class FakeSession:
    """What the use cases read of a session; profiles are read from the cluster each time, as a new process would."""

    kube: KubeClient
    text: str = ""
    capabilities: tuple[str, ...] = ("profiles", "identity-provider")
    ran: list[Any] = field(default_factory=list)
    seen: Any = None
    name: str = "lab"
    directory: Path = Path()
    locked: bool = False
    exports = Session.exports

    def __post_init__(self) -> None:
        self.resolved = resolve(Given(text=HEAD + self.text, file="mlstack.yaml"))
        self.config = self.resolved.config
        chosen = [
            SimpleNamespace(
                entry=SimpleNamespace(name=name, document=SimpleNamespace(spec=SimpleNamespace(provides=[name])))
            )
            for name in self.capabilities
        ]
        self.selection = SimpleNamespace(stacks=chosen)
        minio = {"metadata": {"name": "minio"}, **NAMESPACE}
        self.stacks = (
            RenderedStack("minio", "1", "minio", (minio,)),
            RenderedStack("identity-provider", "1", "auth", (), exports={"identity-provider": IDENTITY}),
            RenderedStack("profiles", "1", "default", (), providers={"object-store": {"service": "minio"}}),
            RenderedStack("gateway", "1", "gw", (), exports={"gateway": {"audience": "gateway.svc"}}),
        )

    @property
    def people(self) -> People:
        return people_of(self)  # type: ignore[arg-type]


@pytest.fixture
def session(fake, monkeypatch, tmp_path):
    fake.kinds[("dex.coreos.com/v1", "passwords")] = ("Password", True)
    kube = KubeClient(fake.kubeconfig)
    kube.create({**NAMESPACE, "metadata": {"name": "auth"}})
    ok = Report((Outcome("x", Result.DONE),))

    def ran(session, command, *more, **_named):
        session.ran.append((command, *(one.actions for one in more if hasattr(one, "actions"))))
        return ok

    monkeypatch.setattr(observing, "reader", lambda _session: contextlib.nullcontext(kube))
    monkeypatch.setattr(observing, "observe_cluster", lambda _session: ClusterFacts(ClusterState.RUNNING))
    monkeypatch.setattr("mlstack.app.target.external", lambda _session: ExternalFacts("lab.localhost"))
    monkeypatch.setattr(profiles, "carry_out", ran)
    monkeypatch.setattr(profiles, "run_plan", ran)
    monkeypatch.setattr(passwords, "COST", 4)
    return FakeSession(kube, directory=tmp_path / "lab")


def code_of(function, *arguments) -> str:
    with pytest.raises(MlstackError) as caught:
        function(*arguments)
    assert isinstance(caught.value, Problems) or caught.value.remedy
    return caught.value.code


def test_a_profile_is_a_namespace_that_every_up_reads(session):
    users.add_user(session, "ann", "", ["readers"], None)
    assert profiles.add_profile(session, "ann", "ann", {"cpu": "2"}).ok
    found = session.people.profile("ann")
    assert found is not None and (found.owner, found.quota) == ("ann@lab.localhost", {"cpu": "2"})
    assert [one.name for one in session.people.profiles] == ["admin", "ann"], "the administrator has one by itself"
    assert profiles.add_profile(session, "ann", "ann", {}).ok, "again is no error"
    assert code_of(profiles.add_profile, session, "ann", "bob@lab", {}) == "profiles.exists"


@pytest.mark.parametrize("change", ["add", "share", "remove"])
def test_what_is_refused_for_somebody_elses_lock_has_written_nothing(session, change: str) -> None:
    profiles.add_profile(session, "old", "a@b", {})
    before = session.people
    changes = {
        "add": lambda: profiles.add_profile(session, "new", "a@b", {}),
        "share": lambda: profiles.share_profile(session, "old", "c@d", "edit", False),
        "remove": lambda: profiles.remove_profile(session, "old", True),
    }
    with HostLock(session.directory, "images build"):
        assert code_of(changes[change]) == "lock.held"
    assert session.people == before
    assert changes[change]().ok


def test_a_profile_never_takes_a_namespace_that_is_somebody_elses(session):
    session.kube.create({**NAMESPACE, "metadata": {"name": "production"}})
    assert code_of(profiles.add_profile, session, "production", "a@b", {}) == "profiles.bad-name"
    for name in ("minio", "kube-system", "default", "mlstack-system", "Bad", "x" * 41):
        assert code_of(profiles.add_profile, session, name, "a@b", {}) == "profiles.bad-name"
    assert code_of(profiles.add_profile, session, "p", "nobody", {}) == "users.unknown"
    assert spaces(session.kube, "lab") == []


def test_sharing_is_idempotent_and_reversible(session):
    profiles.add_profile(session, "p", "a@b", {})
    for _ in range(2):
        profiles.share_profile(session, "p", "c@d", "edit", False)
    profiles.share_profile(session, "p", "team", "view", True)
    assert session.people.profile("p").members == (Member("c@d", "edit"), Member("team", "view", True))
    for _ in range(2):
        profiles.share_profile(session, "p", "c@d", None, False)
    assert session.people.profile("p").members == (Member("team", "view", True),)
    assert code_of(profiles.share_profile, session, "q", "c@d", "view", False) == "profiles.unknown"
    assert code_of(profiles.share_profile, session, "p", "system:masters", "view", True) == "profiles.bad-group"


def test_two_hosts_that_share_at_once_both_count(session, monkeypatch, tmp_path):
    profiles.add_profile(session, "p", "a@b", {})
    replace, late = session.kube.replace, []

    def slow(obj):
        if not late:
            late.append(True)
            profiles.share_profile(
                FakeSession(session.kube, directory=tmp_path / "other"), "p", "first@x", "view", False
            )
        return replace(obj)

    monkeypatch.setattr(session.kube, "replace", slow)
    profiles.share_profile(session, "p", "second@x", "view", False)
    assert {one.name for one in session.people.profile("p").members} == {"first@x", "second@x"}


def test_a_removed_profile_is_kept_closed_and_can_be_opened_again(session):
    profiles.add_profile(session, "p", "a@b", {})
    profiles.share_profile(session, "p", "c@d", "edit", False)
    for _ in range(2):
        assert profiles.remove_profile(session, "p", purge=False).ok
    assert [one.name for one in session.people.removed] == ["p"]
    assert {one.name: one.state for one in profiles.list_profiles(session)}["p"] == "removed"
    assert code_of(profiles.share_profile, session, "p", "c@d", "view", False) == "profiles.unknown"
    profiles.add_profile(session, "p", "a@b", {})
    assert session.people.profile("p").members == (), "who had access before has to be given it again"


def test_purge_deletes_bucket_and_namespace_after_the_access(session):
    profiles.add_profile(session, "p", "a@b", {})
    session.ran.clear()
    profiles.remove_profile(session, "p", purge=True)
    (first, *_), (second, actions), (third, *_) = session.ran
    assert (first, second, third) == ("up", "profiles remove", "up"), "the last one writes down what is gone"
    assert [action.id for action in actions] == [
        "purge-bucket:profile-p",
        "delete:Secret/default/profile-p",
        "delete:Namespace/p",
    ]
    assert actions[-1].needs == {"delete:Secret/default/profile-p"}, "while it is there the command can be repeated"


def test_what_is_declared_is_not_changed_by_command(session):
    text = "users:\n- name: ann\n  admin: true\nprofiles:\n- {name: p, owner: ann}\n"
    declared = FakeSession(session.kube, text)
    assert [one.name for one in declared.people.profiles] == ["p"]
    for function, *arguments in (
        (profiles.add_profile, "p", "a@b", {}),
        (profiles.share_profile, "p", "a@b", "view", False),
        (profiles.remove_profile, "p", False),
    ):
        with pytest.raises(MlstackError) as caught:
            function(declared, *arguments)
        assert caught.value.code == "profiles.declared" and str(caught.value.place).startswith("mlstack.yaml:7")
    assert code_of(users.add_user, declared, "ann", "", [], None) == "users.declared"
    assert code_of(users.remove_user, declared, "ann") == "users.declared"
    assert code_of(users.remove_user, session, "admin") == "users.declared"


def test_a_damaged_record_names_its_namespace(session):
    profiles.add_profile(session, "p", "a@b", {})
    session.kube.patch(spaces_id("p"), {"metadata": {"annotations": {ANNOTATION_RECORD: "{"}}})
    assert code_of(profiles.list_profiles, session) == "profiles.damaged"


def spaces_id(name):
    from mlstack.core.model import ResourceId

    return ResourceId("Namespace", name)


def test_users_are_made_listed_and_removed(session):
    made = users.add_user(session, "ann", "", ["readers", "readers"], None)
    assert len(made.password) == 24 and made.password not in repr(made) and made.profile_possible
    chosen = users.add_user(session, "bob", "B@Example.org", [], "a chosen password")
    assert (chosen.password, chosen.user.email) == ("", "b@example.org")
    assert code_of(users.add_user, session, "ann", "", [], None) == "users.exists"
    found = {one.name: (one.source, one.there) for one in users.list_users(session)}
    assert found == {"admin": ("declared", False), "ann": ("command", True), "bob": ("command", True)}
    assert users.remove_user(session, "ann").name == "ann"
    with pytest.raises(MlstackError, match="no user 'bub'") as caught:
        users.set_password(session, "bub", None)
    assert "did you mean 'bob'?" in caught.value.remedy


def test_everything_wrong_with_a_user_is_told_at_once(session):
    with pytest.raises(Problems) as caught:
        users.add_user(session, "Ann", "no-email", ["system:masters"], "short")
    assert sorted(one.code for one in caught.value.problems) == [*["users.bad-value"] * 3, "users.password"]


def test_the_last_administrator_stays(session):
    with_admin = FakeSession(session.kube, "users: [{name: eve, admin: true}]")
    users.add_user(with_admin, "ann", "", ["admins"], None)
    assert code_of(users.remove_user, with_admin, "ann") == "users.last-admin"
    users.add_user(with_admin, "bob", "", ["admins"], None)
    assert users.remove_user(with_admin, "ann").admin


def test_a_token_is_of_a_profile_that_is_the_users_own(session, monkeypatch):
    asked = []

    def token(*arguments):
        asked.append(arguments)
        return "the-token", "2026-01-01T00:00:00Z"

    monkeypatch.setattr(session.kube, "token", token, raising=False)
    users.add_user(session, "ann", "", [], None)
    assert code_of(users.user_token, session, "ann", "", "", 600) == "users.no-profile"
    profiles.add_profile(session, "work", "ann", {})
    profiles.add_profile(session, "other", "bob@lab", {})
    found = users.user_token(session, "ann", "", "", 600)
    assert asked == [("work", "default-editor", ["gateway.svc"], 600)]
    assert found.account == "system:serviceaccount:work:default-editor" and "the-token" not in repr(found)
    assert code_of(users.user_token, session, "ann", "other", "", 600) == "users.no-profile"


def test_an_instance_without_these_stacks_says_which_profile_has_them(session):
    bare = FakeSession(session.kube, capabilities=())
    bare.stacks = bare.stacks[:1]
    assert code_of(profiles.list_profiles, bare) == "profiles.no-stack"
    assert code_of(users.list_users, bare) == "users.no-store"
    assert bare.people == People((User("admin", "admin@lab.localhost", ("admins",)),))
