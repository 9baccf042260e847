"""Which secrets can be made anew, by which name, and what is said of the others."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from mlstack.app import observing, rotating
from mlstack.core.desired import RenderedStack
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.people import User
from mlstack.core.servicespec import SecretSpec

STACKS = (
    RenderedStack(
        "store",
        "1",
        "minio",
        (),
        secrets=(
            SecretSpec(name="root", keys={"a": 20, "b": 40}, rotate=["b"], credential="minio"),
            SecretSpec(name="fixed", keys={"a": 20}, credential="mysql"),
        ),
    ),
    RenderedStack(
        "login",
        "1",
        "login",
        (),
        secrets=(SecretSpec(name="cookie", keys={"c": 32}, rotate=["c"]),),
        users=(User("ann", "a@b"),),
    ),
)


@dataclass(frozen=True)
class Session:
    stacks: tuple = STACKS
    seen: object = "old"
    renew: frozenset = frozenset()


@pytest.fixture
def ran(monkeypatch):
    found = []
    monkeypatch.setattr(observing, "reader", lambda _session: contextlib.nullcontext())
    monkeypatch.setattr(
        rotating, "carry_out", lambda session, command, *_more, **_named: found.append((session, command))
    )
    return found


@pytest.mark.parametrize(
    ("name", "rid"),
    [("minio", ResourceId("Secret", "root", "minio")), ("cookie", ResourceId("Secret", "cookie", "login"))],
)
def test_an_up_with_the_secret_to_renew(ran, name, rid):
    rotating.rotate(Session(), name)
    ((session, command),) = ran
    assert (command, session.renew, session.seen) == ("up", {rid}, None)


@pytest.mark.parametrize(
    ("name", "why", "remedy"),
    [
        ("mysql", "outside of the cluster", "cookie, minio"),
        ("cokie", "no generated secret", "did you mean 'cookie'?"),
        ("ann", "no generated secret", "mlstack users passwd ann"),
        ("zzz", "no generated secret", "cookie, minio"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(ran, name, why, remedy):
    with pytest.raises(MlstackError) as caught:
        rotating.rotate(Session(), name)
    assert caught.value.code == "credentials.not-rotatable"
    assert why in caught.value.why and remedy in caught.value.remedy and ran == []


def test_nothing_is_begun_where_nothing_runs(ran, monkeypatch):
    def absent(_session):
        raise MlstackError("cluster.not-running", "it is stopped")

    monkeypatch.setattr(observing, "reader", absent)
    with pytest.raises(MlstackError, match="stopped"):
        rotating.rotate(Session(), "cookie")
    assert ran == []
