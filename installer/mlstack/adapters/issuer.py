"""Asks an OpenID Connect issuer, before anything relies on it, whether it is one and whether it takes this client.

Nobody is logged in: the code that is sent to it is none, and of its login page only the status is looked at.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlstack.core.errors import ExitCode, MlstackError

if TYPE_CHECKING:
    import httpx

SECONDS = 15.0
REDIRECTS = 5
"""Steps on the way to a login page that are followed."""
REFUSALS = ("invalid_client", "unauthorized_client")
"""What a token endpoint says of a client that it does not know, or whose secret is wrong (RFC 6749, section 5.2)."""


class Issuer:
    """One issuer. authorities: PEM text trusted beside the system's; proxy: URL, empty for the environment's."""

    def __init__(self, url: str, authorities: str = "", proxy: str = "") -> None:
        self._url, self._authorities, self._proxy = url, authorities.strip(), proxy

    def problems(self, client: str, secret: str, callback: str) -> list[MlstackError]:
        """All that is wrong, codes ``auth.*``; empty when users can log in. secret empty: it is not tried."""
        import httpx

        try:
            with self._client() as http:
                document = self._document(http)
                found = [self._client_problem(http, document, client, secret, callback)] if secret else []
                found.append(self._callback_problem(http, document, client, callback))
        except MlstackError as error:
            return [error]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return [self._unreachable(str(error) or type(error).__name__)]
        return [problem for problem in found if problem]

    def _client(self) -> httpx.Client:
        import httpx

        context = ssl.create_default_context()
        if self._authorities:
            try:
                context.load_verify_locations(cadata=self._authorities)
            except ssl.SSLError as error:
                raise _problem(
                    "auth.bad-authority",
                    "the issuer's authority cannot be read",
                    str(error),
                    "give a PEM file as auth.oidc.ca",
                ) from None
        return httpx.Client(verify=context, timeout=SECONDS, proxy=self._proxy or None)

    def _document(self, http: httpx.Client) -> dict[str, Any]:
        """The discovery document, when it is one."""
        address = f"{self._url.rstrip('/')}/.well-known/openid-configuration"
        answer = http.get(address)
        try:
            document = answer.json() if answer.status_code == 200 else None
        except ValueError:
            document = None
        needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in needed):
            raise _problem(
                "auth.no-issuer",
                f"{self._url} is no OpenID Connect issuer",
                f"{address} answered {answer.status_code} and no discovery document",
                "correct auth.oidc.issuer: the address before /.well-known/openid-configuration",
            )
        if document["issuer"] != self._url:
            raise _problem(
                "auth.other-issuer",
                f"{self._url} calls itself otherwise",
                f"its tokens will say '{document['issuer']}', and would be refused",
                f"write auth.oidc.issuer: {document['issuer']}",
            )
        return document

    def _client_problem(
        self, http: httpx.Client, document: dict[str, Any], client: str, secret: str, callback: str
    ) -> MlstackError | None:
        """Exchanges a code that is none: an issuer that takes the client only refuses the code."""
        form = {"grant_type": "authorization_code", "code": "none", "redirect_uri": callback}
        answer = http.post(document["token_endpoint"], data=form, auth=(client, secret))
        try:
            said = answer.json()
        except ValueError:
            said = {}
        reason = str(said.get("error", "")) if isinstance(said, dict) else ""
        if reason not in REFUSALS and not (answer.status_code == 401 and not reason):
            return None
        return _problem(
            "auth.client-refused",
            f"{self._url} does not take client '{client}' with its secret",
            f"its token endpoint answered {answer.status_code} {reason}".strip(),
            "correct auth.oidc.clientId, or what auth.oidc.clientSecret refers to",
        )

    def _callback_problem(
        self, http: httpx.Client, document: dict[str, Any], client: str, callback: str
    ) -> MlstackError | None:
        """Asks for the login page: an issuer that does not know where it should lead back shows an error instead."""
        query = {
            "client_id": client,
            "redirect_uri": callback,
            "response_type": "code",
            "scope": "openid",
            "state": "preflight",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        address = document["authorization_endpoint"]
        answer = http.get(f"{address}{'&' if '?' in address else '?'}{urlencode(query)}")
        for _ in range(REDIRECTS):
            if answer.next_request is None or str(answer.next_request.url).startswith(callback):
                break
            answer = http.send(answer.next_request)
        if answer.status_code not in (400, 403, 404, 422):
            return None
        return _problem(
            "auth.callback-refused",
            f"{self._url} does not lead users back to this platform",
            f"its login page answered {answer.status_code} for client '{client}'",
            f"register the redirect URI {callback} for the client there",
        )

    def _unreachable(self, why: str) -> MlstackError:
        authority = "; for an authority of your own give its PEM file as auth.oidc.ca" if "CERTIFICATE" in why else ""
        return _problem(
            "auth.issuer-unreachable",
            f"the issuer {self._url} does not answer",
            why,
            f"check auth.oidc.issuer, the network and network.proxy{authority}",
        )


def _problem(code: str, what: str, why: str, remedy: str) -> MlstackError:
    return MlstackError(code, what, why=why, remedy=remedy, exit_code=ExitCode.PREFLIGHT)
