"""``mlstack verify``: attacks the running platform itself and says what got through, each beside its positive control."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.app import observing
from mlstack.app.certs import authority_text
from mlstack.app.people import provides
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Message
from mlstack.core.people import IDENTITY_PROVIDER, LOGIN, PROFILES
from mlstack.core.probes import Answer, Identity, Probe, accepted, control, probes, protected_paths
from mlstack.core.results import CaseResult, TestReport
from mlstack.core.routes import GATEWAY, role_of, with_platform
from mlstack.engine.verify import write_junit

if TYPE_CHECKING:
    from mlstack.adapters.gateway import GatewayClient
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

TOKEN_SECONDS = 900
"""Life of the tokens made for the run; the API server gives none a shorter one than ten minutes."""
ACCOUNT = "default"
"""The service account of the gateway's namespace that the positive control comes from; it has no rights of its own."""


def verify(session: Session, what: Sequence[str], junit: Path | None) -> TestReport:
    """Attacks what is asked for: ``auth``, the login at the gateway; ``tenants``, the walls between profiles.

    Raises ``verify.no-login`` and ``profiles.no-stack`` where there is nothing to attack, and
    ``gateway.unreachable``."""
    began = time.monotonic()
    results: list[CaseResult] = []
    tenants = "tenants" in what and ("auth" not in what or provides(session, PROFILES))
    if tenants:
        from mlstack.app.isolation import prepare, verify_tenants

        prepare(session)  # first, so that nothing is attacked in vain
    if "auth" in what:
        results += _verify_auth(session)
    if tenants:
        results += verify_tenants(session)
    report = TestReport(cases=tuple(results), seconds=time.monotonic() - began, junit=junit)
    if junit:
        write_junit(results, junit)
    return report


def _verify_auth(session: Session) -> list[CaseResult]:
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
    with observing.reader(session) as kube:
        return list(_attack(session, kube, exports))


def _attack(session: Session, kube: Kube, exports: dict[str, dict[str, str]]) -> Iterator[CaseResult]:
    from mlstack.adapters.gateway import GatewayClient

    gateway, login = exports[GATEWAY], exports[IDENTITY_PROVIDER]["loginUrl"]
    routes = with_platform(session.selection, session.render_facts).platform["routes"]
    anybody = _identity(session, kube, exports)
    client = GatewayClient(session.render_facts.external.url, authority(session, kube))
    public = _public(routes, exports)
    objects = [obj for stack in session.stacks for obj in stack.objects]
    for route in protected_paths(objects, gateway["gateway"], public):
        role = role_of(route, routes)
        identity = _with_role(kube, anybody, role, exports) if role else anybody
        yield _case(session, client, Target(route, role, identity, public, login))


@dataclass(frozen=True, slots=True)
class Target:
    """A route to attack. identity: of somebody who may come; public: prefixes without a login; login: URL of the login page."""

    route: str
    role: str
    identity: Identity
    public: Sequence[str]
    login: str


def _case(session: Session, client: GatewayClient, target: Target) -> CaseResult:
    began, route = time.monotonic(), target.route
    rightful = client.send(control(route, target.identity))
    if rightful.status in (0, 401, 403) or rightful.location.startswith(target.login):
        error = f"a valid token is refused with {rightful.status}: nothing is proved by refusals"
        return CaseResult(name=f"{route}: valid token", stack=LOGIN, seconds=0.0, error=error)
    found = list(probes(route, target.public, target.identity))
    through = list(_through(session, client, found, rightful, target.login))
    session.emit(Message(text=f"{route}: {len(found)} attacks, {len(through)} got through"))
    whose = f" of role {target.role}" if target.role else ""
    return CaseResult(
        name=f"{route}: {len(found)} attacks are refused, a valid token{whose} is not ({rightful.status})",
        stack=LOGIN,
        seconds=time.monotonic() - began,
        error="; ".join(through),
        skipped="interrupted" if session.cancelled() else "",
    )


def _with_role(kube: Kube, anybody: Identity, role: str, exports: dict[str, dict[str, str]]) -> Identity:
    """The identity of a machine that has a role; the one without it becomes an attacker."""
    token, _ = kube.token(exports[LOGIN]["rolesNamespace"], role, [exports[GATEWAY]["audience"]], TOKEN_SECONDS)
    return replace(anybody, good=token, without_role=anybody.good)


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


def authority(session: Session, kube: Kube) -> str:
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


def _public(routes: Iterable[Mapping[str, Any]], exports: dict[str, dict[str, str]]) -> list[str]:
    """The prefixes that need no login: the login's own and those of services that check by themselves or serve everybody."""
    own = [route["prefix"] for route in routes if route["auth"] != "required" and not route["subdomain"]]
    return [exports[LOGIN]["publicPrefix"], *own]
