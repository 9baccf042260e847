"""``mlstack auth explain``: gathers what configures the gateway, has it evaluated, and asks the real gateway when wanted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from mlstack.app import observing
from mlstack.app.certs import authority_text
from mlstack.core import authz
from mlstack.core.accessrequests import Question
from mlstack.core.authzgate import KINDS, Gate, open_gate
from mlstack.core.authzmatch import Request
from mlstack.core.authzresult import Answer, Explanation
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.probes import Probe
from mlstack.core.routes import GATEWAY
from mlstack.core.urlpath import normalized

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

REASON = 200
"""Characters of the gateway's own words that are kept."""


def explain(session: Session, question: Question) -> Explanation:
    """Why a request is answered as it is. Raises ``auth.url``, ``auth.port``, ``auth.no-gateway``, ``auth.no-login``."""
    url = _url(session, question.url)
    rendered = [obj for stack in session.stacks for obj in stack.objects]
    if question.rendered and not question.check:
        return _evaluated(session, question, url, rendered, time.time())
    with observing.reader(session) as kube:
        objects = rendered if question.rendered else _live(kube, rendered)
        with closing(session.server()) as server:
            now = server.clock()  # the gateway holds a token's times against the cluster's clock, not this host's
        found = _evaluated(session, question, url, objects, now)
        return replace(found, answer=_asked(session, kube, question, url)) if question.check else found


def _url(session: Session, text: str) -> SplitResult:
    """The URL; one that is only a path is at the platform's own address."""
    whole = f"{session.render_facts.external.url}{text}" if text.startswith("/") else text
    try:
        url = urlsplit(whole)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        usable = False
    if not usable or any(ord(char) < 33 for char in whole):
        raise MlstackError(
            "auth.url",
            f"'{text}' is no URL of a web address",
            remedy=f"write a path, such as /x, or a URL, such as {session.render_facts.external.url}/",
            exit_code=ExitCode.USAGE,
        )
    return url


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _live(kube: Kube, rendered: Sequence[Object]) -> list[Object]:
    """What is in the cluster of the kinds that decide; the rest, which says where the gateway listens, as rendered."""
    found = [obj for obj in rendered if obj["kind"] not in KINDS]
    for kind, api_version in KINDS.items():
        resource = kube.resource(api_version, kind)
        found += kube.list(resource) if resource else []
    return found


def _gate(session: Session, url: SplitResult, objects: Sequence[Object]) -> Gate:
    capability: Mapping[str, str] = {}
    for stack in session.stacks:
        capability = stack.exports.get(GATEWAY, capability)
    if not capability:
        raise MlstackError(
            "auth.no-gateway",
            "there is no gateway to ask",
            why="no enabled stack provides one",
            remedy="choose a profile that has a gateway",
            exit_code=ExitCode.USAGE,
        )
    names = [name for stack in session.stacks for spec in stack.certificates for name in spec.dns_names]
    published = {mapping.host_port: mapping.node_port for mapping in session.ports}
    return open_gate(objects, capability, _port(url), published, names)


def _evaluated(
    session: Session, question: Question, url: SplitResult, objects: Sequence[Object], now: float
) -> Explanation:
    gate, path = _gate(session, url, objects), _target(url)
    request = Request(
        host=url.netloc,
        port=gate.port,
        path=normalized(path, gate.normalization),
        method=question.method,
        headers=_headers(question),
    )
    claims = _claims(session, question.user, gate) if question.user else None
    return authz.explain(gate, request, url.geturl(), path.partition("?")[0], now, claims)


def _headers(question: Question) -> dict[str, str]:
    bearer = {"authorization": f"Bearer {question.token}"} if question.token else {}
    return {**{name.lower(): value for name, value in question.headers.items()}, **bearer}


def _claims(session: Session, user: str, gate: Gate) -> dict[str, Any]:
    """What the token of a user's session says, by the identity provider that the login asks."""
    provider = session.exports(IDENTITY_PROVIDER)
    if not provider or not gate.policies("CUSTOM"):
        raise MlstackError(
            "auth.no-login",
            "there is no login that a user's session could come from",
            remedy="leave out --as, or choose a profile that has a login",
            exit_code=ExitCode.USAGE,
        )
    return {"iss": provider["issuer"], "aud": [provider["clientId"]], "sub": user, provider["userClaim"]: user}


def _asked(session: Session, kube: Kube, question: Question, url: SplitResult) -> Answer:
    """What the real gateway answers. Raises ``gateway.unreachable``."""
    from mlstack.adapters.gateway import GatewayClient

    authority = authority_text(session, kube)
    address = next((one.address for one in session.ports if one.host_port == _port(url)), url.hostname or "")
    client = GatewayClient(f"{url.scheme}://{url.netloc}", authority, address)
    headers = tuple(_headers(question).items())
    answer = client.send(Probe("explain", url.path, question.method, _target(url), headers))
    text = "" if answer.served or answer.location else " ".join(answer.body.decode(errors="replace").split())[:REASON]
    location = answer.location.partition("?")[0]
    return Answer(status=answer.status, by_service=answer.served, location=location, reason=text)
