"""Who issues a cluster's service-account tokens: every form of issuer, discovery on and off, strangers let in or not."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest

from mlstack.adapters.kube import KubeClient
from mlstack.adapters.kube_server import KubeServer
from mlstack.app import machines, observing
from mlstack.core.context import KUBEADM_ISSUER, RenderFacts
from mlstack.core.looks import Looks
from mlstack.core.model import ClusterFacts, ClusterState

JWKS = {"keys": [{"kty": "RSA", "kid": "k1", "n": "AQAB", "e": "AQAB"}]}
ISSUERS = [
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "https://kubernetes.default.svc.corp.example",
    "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF",
    "https://container.googleapis.com/v1/projects/p/locations/l/clusters/c",
    "https://westeurope.oic.prod-aks.azure.com/tenant/id/",
    "https://issuer.example.org:8443/cluster/",
    "kubernetes/serviceaccount",
]


def token(**claims) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2ln"


class Session(SimpleNamespace):
    """What is asked of a session."""

    def __init__(self, fake, *, own=False, provides=("login",), state=ClusterState.RUNNING) -> None:
        specs = [SimpleNamespace(provides=[name]) for name in provides]
        chosen = [SimpleNamespace(entry=SimpleNamespace(document=SimpleNamespace(spec=spec))) for spec in specs]
        super().__init__(
            fake=fake,
            state=state,
            warned=[],
            looks=Looks(),
            selection=SimpleNamespace(stacks=chosen),
            abilities=SimpleNamespace(makes_cluster=own),
        )

    def warn(self, text) -> None:
        self.warned.append(text)

    def server(self) -> KubeServer:
        return KubeServer(self.fake.kubeconfig, read=self.looks.take)

    def connect(self) -> KubeClient:
        return KubeClient(self.fake.kubeconfig)


@pytest.fixture(autouse=True)
def observed(monkeypatch):
    monkeypatch.setattr(observing, "observe_cluster", lambda session: ClusterFacts(session.state))


def provider(session):
    return machines.with_issuer(session, RenderFacts("lab")).provider


@pytest.mark.parametrize("issuer", ISSUERS)
def test_the_issuer_is_taken_as_the_cluster_writes_it(fake, issuer):
    fake.documents[machines.DISCOVERY] = {"issuer": issuer, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}
    fake.documents[machines.KEYS] = JWKS
    session = Session(fake)
    found = provider(session)
    assert (found.token_issuer, found.token_keys) == (issuer, "")
    assert session.looks.complete and [look.path for look in session.looks.all()] == [machines.DISCOVERY]


@pytest.mark.parametrize("issuer", ISSUERS)
def test_without_discovery_a_token_tells(fake, issuer):
    fake.tokens["default"] = token(iss=issuer, sub="system:serviceaccount:default:default")
    session = Session(fake)
    assert provider(session).token_issuer == issuer
    assert not session.looks.complete, "a token cannot be read again by the short way of up"


@pytest.mark.parametrize(
    "text", ["", "not a token", "a.b.c", f"a.{base64.urlsafe_b64encode(b'[]').decode()}.c", token(sub="x")]
)
def test_a_token_that_tells_nothing_leaves_what_is_usual(fake, text):
    fake.tokens["default"] = text
    assert provider(Session(fake)).token_issuer == KUBEADM_ISSUER


def logged_in(fake) -> None:
    """Only requests with a login are answered from here on."""
    fake.strangers = False
    text = fake.kubeconfig.read_text().replace("context: {cluster: c}", "context: {cluster: c, user: u}")
    fake.kubeconfig.write_text(text + "users: [{name: u, user: {token: t0ken}}]\n")


def test_where_strangers_are_turned_away_the_keys_go_inline(fake):
    logged_in(fake)
    fake.documents[machines.DISCOVERY] = {"issuer": ISSUERS[3]}
    fake.documents[machines.KEYS] = JWKS
    session = Session(fake)
    assert json.loads(provider(session).token_keys) == JWKS
    assert provider(session).token_keys == provider(session).token_keys and not session.warned


def test_keys_that_nobody_is_shown_are_told(fake):
    logged_in(fake)
    fake.tokens["default"] = token(iss=ISSUERS[7])
    session = Session(fake)
    found = provider(session)
    assert (found.token_issuer, found.token_keys) == (ISSUERS[7], "")
    assert len(session.warned) == 1 and "--service-account-issuer" in session.warned[0]


def test_nobody_is_asked_without_need(fake):
    for session in (Session(fake, provides=("gateway",)), Session(fake, state=ClusterState.ABSENT)):
        assert provider(session) == RenderFacts("lab").provider
    assert fake.log == []
    fake.documents[machines.DISCOVERY] = {"issuer": ISSUERS[0]}
    assert provider(Session(fake, own=True)).token_issuer == ISSUERS[0]
    assert len(fake.log) == 1, "one request for a cluster of our own"


def test_the_servers_clock(fake):
    import time

    fake.ahead = 300.0
    assert abs(KubeServer(fake.kubeconfig).clock() - time.time() - 300) < 3
