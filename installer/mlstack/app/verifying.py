"""``mlstack verify``: attacks the running platform's own gateway and says what got through, each beside its positive control."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.certs import authority_text
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Message
from mlstack.core.people import IDENTITY_PROVIDER
from mlstack.core.probes import Answer, Identity, Probe, accepted, control, probes, protected_paths
from mlstack.core.results import CaseResult, TestReport
from mlstack.core.routes import GATEWAY, with_platform
from mlstack.engine.verify import write_junit

if TYPE_CHECKING:
    from mlstack.adapters.gateway import GatewayClient
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

LOGIN = "login"
TOKEN_SECONDS = 900
"""Life of the tokens made for the run; the API server gives none a shorter one than ten minutes."""
ACCOUNT = "default"
"""The service account of the gateway's namespace that the positive control comes from; it has no rights of its own."""


def verify_auth(session: Session, junit: Path | None) -> TestReport:
    """Sends the attack list to every route of the gateway. Raises ``verify.no-login`` where there is nothing to attack, and
    ``gateway.unreachable``."""
    exports = {name: dict(values) for stack in session.stacks for name, values in stack.exports.items()}
    missing = [name for name in (GATEWAY, LOGIN, IDENTITY_PROVIDER) if name not in exports]
    if missing:
        raise MlstackError(
            "verify.no-login",
            "there is no login to verify",
            why=f"no enabled stack provides {', '.join(missing)}",
            remedy="choose a profile that has a login, such as `mlstack up --profile standard`",
            exit_code=ExitCode.USAGE,
        )
    began = time.monotonic()
    with observing.reader(session) as kube:
        results = list(_attack(session, kube, exports))
    report = TestReport(cases=tuple(results), seconds=time.monotonic() - began, junit=junit)
    if junit:
        write_junit(results, junit)
    return report


def _attack(session: Session, kube: Kube, exports: dict[str, dict[str, str]]) -> Iterator[CaseResult]:
    from mlstack.adapters.gateway import GatewayClient

    gateway, login = exports[GATEWAY], exports[IDENTITY_PROVIDER]["loginUrl"]
    identity = _identity(session, kube, exports)
    client = GatewayClient(session.render_facts.external.url, _authority(session, kube))
    public = _public(session, exports)
    objects = [obj for stack in session.stacks for obj in stack.objects]
    for route in protected_paths(objects, gateway["gateway"], public):
        began = time.monotonic()
        rightful = client.send(control(route, identity))
        if rightful.status in (0, 401, 403) or rightful.location.startswith(login):
            error = f"a valid token is refused with {rightful.status}: nothing is proved by refusals"
            yield CaseResult(name=f"{route}: valid token", stack=LOGIN, seconds=0.0, error=error)
            continue
        found = list(probes(route, public, identity))
        through = list(_through(session, client, found, rightful, login))
        session.emit(Message(text=f"{route}: {len(found)} attacks, {len(through)} got through"))
        yield CaseResult(
            name=f"{route}: {len(found)} attacks are refused, a valid token is not ({rightful.status})",
            stack=LOGIN,
            seconds=time.monotonic() - began,
            error="; ".join(through),
            skipped="interrupted" if session.cancelled() else "",
        )


def _through(
    session: Session, client: GatewayClient, found: list[Probe], rightful: Answer, login: str
) -> Iterator[str]:
    for probe in found:
        if session.cancelled():
            return
        answer = client.send(probe)
        if accepted(probe.route, answer, rightful, login):
            yield f"{probe.attack} ({probe.method} {probe.target}): {answer.status}"


def _identity(session: Session, kube: Kube, exports: dict[str, dict[str, str]]) -> Identity:
    gateway, login, provider = exports[GATEWAY], exports[LOGIN], exports[IDENTITY_PROVIDER]
    namespace, audience = gateway["namespace"], gateway["audience"]
    good, _ = kube.token(namespace, ACCOUNT, [audience], TOKEN_SECONDS)
    wrong, _ = kube.token(namespace, ACCOUNT, [], TOKEN_SECONDS)
    return Identity(
        user=f"admin@{session.render_facts.external.host}",
        header=login["userHeader"],
        groups_header=login["groupsHeader"],
        issuers=[(provider["issuer"], provider["clientId"]), (login["tokenIssuer"], audience)],
        good=good,
        wrong_audience=wrong,
    )


def _authority(session: Session, kube: Kube) -> str:
    """The authority that the gateway's certificate is held against. Raises ``gateway.no-certificate``."""
    text = authority_text(session, kube)
    if not text:
        raise MlstackError(
            "gateway.no-certificate",
            "the gateway has no certificate",
            why="the authority of its certificate is not there",
            remedy="run `mlstack up`",
            exit_code=ExitCode.NOT_READY,
        )
    return text


def _public(session: Session, exports: dict[str, dict[str, str]]) -> list[str]:
    """The prefixes that need no login: the login's own and those of services that check by themselves or serve everybody."""
    routes = with_platform(session.selection, session.render_facts).platform["routes"]
    own = [route["prefix"] for route in routes if route["auth"] != "required" and not route["subdomain"]]
    return [exports[LOGIN]["publicPrefix"], *own]
