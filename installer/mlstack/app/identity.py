"""What is known of an identity provider of somebody else: for rendering, and whether it takes us, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.authconfig import SecretReference
from mlstack.core.context import AuthFacts
from mlstack.core.errors import MlstackError

if TYPE_CHECKING:
    from mlstack.app.session import Session

CALLBACK = "/oauth2/callback"
"""Where the login behind the gateway takes users back."""


def auth_facts(session: Session) -> AuthFacts:
    """What rendering may know of the issuer that ``auth.oidc`` names."""
    oidc = session.config.auth.oidc
    return AuthFacts(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=reference(oidc.client_secret),
        scopes=" ".join(oidc.scopes),
        user_claim=oidc.claims.user,
        groups_claim=oidc.claims.groups,
        logout_url=oidc.logout_url,
        refresh_minutes=oidc.refresh_minutes,
        ca_bundle=Path(oidc.ca).read_text() if oidc.ca else "",
    )


def reference(given: SecretReference) -> str:
    """``env:NAME`` or ``file:/path``; empty when there is none."""
    return f"env:{given.env}" if given.env else f"file:{given.file}" if given.file else ""


def issuer_problems(session: Session) -> Sequence[MlstackError]:
    """What keeps the issuer from logging users in, as far as it tells from here; none where no issuer is named."""
    auth = session.render_facts.auth
    if session.config.auth.provider != "oidc":
        return ()
    from mlstack.adapters.issuer import Issuer

    network = session.config.network
    try:
        secret = session.given.read(auth.client_secret)
    except MlstackError:
        secret = ""  # in the cluster from an earlier run, or told by the plan
    issuer = Issuer(auth.issuer, f"{auth.ca_bundle}\n{session.render_facts.network.ca_bundle}", network.proxy.https)
    return issuer.problems(auth.client_id, secret, f"{session.render_facts.external.url}{CALLBACK}")
