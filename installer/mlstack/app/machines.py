"""Who issues the cluster's service-account tokens, which machines log in with, and where their public keys are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.people import provides
from mlstack.core.authztoken import claims_of
from mlstack.core.context import RenderFacts
from mlstack.core.model import ClusterState
from mlstack.core.people import LOGIN

if TYPE_CHECKING:
    from mlstack.adapters.kube_server import KubeServer
    from mlstack.app.session import Session

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
SECONDS = 600
"""The shortest life that a token may have."""


def with_issuer(session: Session, facts: RenderFacts) -> RenderFacts:
    """The facts with what the cluster says of its tokens. One that does not run yet is of a kind whose issuer is known."""
    if not provides(session, LOGIN) or observing.observe_cluster(session).state is not ClusterState.RUNNING:
        return facts
    with closing(session.server()) as server:
        discovered = _discovered(server)
        issuer = discovered or str(claims_of(_token(session)).get("iss", ""))
        keys = "" if session.abilities.makes_cluster else inline_keys(server, session.warn)
    if not discovered or keys:
        session.looks.complete = False  # a token, and what a stranger is told, are no reads that can be made again
    if not issuer:
        return facts
    return replace(facts, provider=replace(facts.provider, token_issuer=issuer, token_keys=keys))


def _discovered(server: KubeServer) -> str:
    """The issuer by the cluster's own discovery document, byte for byte: that is what its tokens say."""
    issuer = (server.document(DISCOVERY) or {}).get("issuer")
    return issuer if isinstance(issuer, str) else ""


def _token(session: Session) -> str:
    with closing(session.connect()) as kube:
        return kube.token("default", "default", [], SECONDS)[0]


def inline_keys(server: KubeServer, warn: Callable[[str], None]) -> str:
    """The public keys, where the gateway cannot ask the API server for them because that answers no stranger."""
    if not server.refuses_strangers(KEYS):
        return ""
    from mlstack.adapters.kube_server import canonical

    document = server.document(KEYS)
    if document is None:
        warn(
            "programs cannot log in with service-account tokens: the API server shows their public keys to nobody; "
            "start it with a URL as --service-account-issuer"
        )
        return ""
    return canonical(document)
