"""How programs connect to the platform's endpoints: which way, by which login, with which authority. Names no stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.certs import AUTHORITY_FILE, export
from mlstack.app.reading import endpoint_infos
from mlstack.core.accessrequests import Ask
from mlstack.core.accessresults import Connection
from mlstack.core.authztoken import audiences_of
from mlstack.core.clients import Target
from mlstack.core.connect import FORMS, environment
from mlstack.core.errors import ExitCode, MlstackError, did_you_mean
from mlstack.core.model import LABEL_INSTANCE, ResourceId
from mlstack.core.people import LOGIN
from mlstack.core.results import EndpointInfo
from mlstack.core.routes import GATEWAY
from mlstack.core.stackfile import Endpoint

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.ports import Kube

EDITOR = "default-editor"
"""The service account of a profile that programs of its owner use; the first profile's is the default."""
FALLBACK = "default/default"
"""Where there is no profile: an account that the gateway knows and that may do nothing in the cluster."""
SHORTEST = 600
"""Seconds; the API server gives no token a shorter life."""
PROGRAMS = frozenset({"s3", "mysql", "tcp"})
"""Schemes of programs, which need a name that every resolver knows: they go by the published port where there is one."""


def connections(session: Session) -> list[Connection]:
    """Every endpoint with the way to it that would be taken."""
    points = _points(session)
    return [_connection(session, info, points[info.name], _way(info, "")) for info in endpoint_infos(session)]


def connect(session: Session, ask: Ask) -> Connection:
    """The set-up of a client. Raises ``connect.unknown``, ``connect.no-way``, ``connect.account``."""
    infos = {info.name: info for info in endpoint_infos(session)}
    if ask.name not in infos:
        raise MlstackError(
            "connect.unknown",
            f"there is no endpoint '{ask.name}'",
            remedy=did_you_mean(ask.name, list(infos)) or "run `mlstack up` first",
            exit_code=ExitCode.USAGE,
        )
    info = infos[ask.name]
    way = _way(info, ask.via)
    if not way:
        raise MlstackError(
            "connect.no-way",
            f"'{ask.name}' cannot be reached that way",
            why="it has no place behind the gateway" if ask.via == "gateway" else "it has no port on this host",
            remedy="leave out --via",
            exit_code=ExitCode.USAGE,
        )
    found = _connection(session, info, _points(session)[ask.name], way)
    with observing.reader(session) as kube:
        return _filled(session, kube, found, ask)


def _points(session: Session) -> dict[str, Endpoint]:
    return {point.name: point for stack in session.stacks for point in stack.endpoints}


def _way(info: EndpointInfo, wanted: str) -> str:
    """``gateway`` or ``host``; empty when it cannot be reached as wanted."""
    # the gateway is listed under its published port, but only its external name is in its certificate and its routes
    published = "" if info.url == info.routed else info.url
    ways = {"gateway": info.routed, "host": published}
    if wanted:
        return wanted if ways[wanted] else ""
    first, second = ("host", "gateway") if info.scheme in PROGRAMS else ("gateway", "host")
    return first if ways[first] else second


def _connection(session: Session, info: EndpointInfo, point: Endpoint, way: str) -> Connection:
    url = info.routed if way == "gateway" else info.url
    asks = info.name == GATEWAY or (way == "gateway" and point.auth == "required")
    authority = session.directory / AUTHORITY_FILE if url.startswith("https:") else None
    return Connection(
        name=info.name,
        stack=info.stack,
        scheme=info.scheme,
        url=url,
        via=way,
        login="token" if asks else "credential" if info.credential else "",
        credential=info.credential,
        authority=str(authority or ""),
        doc=info.doc,
    )


def _filled(session: Session, kube: Kube, found: Connection, ask: Ask) -> Connection:
    """With the authority's files written and, where asked for, the login in the text."""
    files = export(session, kube) if found.authority else None
    authority, bundle = (str(files[0]), str(files[1])) if files else ("", "")
    point = _points(session)[ask.name]
    account = _account(session, kube, ask.account or _of_role(session, point)) if found.login == "token" else ""
    found = replace(found, authority=authority, account=account, form=ask.form)
    if not ask.form:
        return found
    values: Mapping[str, str] = {}
    token = expires = ""
    if found.credential:
        from mlstack.app.using import credentials

        values = credentials(session, found.credential)[0].values
    if account:
        token, expires = service_token(session, kube, account, ask.seconds, forwarded=forwards_token(point))
    target = Target(
        name=found.name,
        scheme=found.scheme,
        url=found.url,
        values=values,
        token=token,
        authority=authority,
        bundle=bundle,
    )
    text = FORMS[ask.form](target)
    variables = environment(target) if ask.form == "env" else {}
    return replace(found, text=text, environment=variables, expires=expires)


def _of_role(session: Session, point: Endpoint) -> str:
    """The service account that an endpoint for a role lets in; empty for one that lets in everybody who is logged in."""
    login = session.exports(LOGIN)
    return f"{login['rolesNamespace']}/{point.role}" if point.role and login else ""


def forwards_token(point: Endpoint) -> bool:
    """Whether the service behind the gateway gets the token, and acts with the rights of who sent it."""
    return bool(point.route and point.route.forward_token)


def _account(session: Session, kube: Kube, wanted: str) -> str:
    if wanted:
        _parts(wanted)
        return wanted
    resource = kube.resource("v1", "ServiceAccount")
    listed = kube.list_metadata(resource, f"{LABEL_INSTANCE}={session.name}") if resource else []
    places = sorted(obj["metadata"]["namespace"] for obj in listed if obj["metadata"]["name"] == EDITOR)
    return f"{places[0]}/{EDITOR}" if places else FALLBACK


def _parts(account: str) -> tuple[str, str]:
    namespace, slash, name = account.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise MlstackError(
            "connect.account",
            f"'{account}' names no service account",
            remedy="write NAMESPACE/NAME, such as --account default/default",
            exit_code=ExitCode.USAGE,
        )
    return namespace, name


def service_token(session: Session, kube: Kube, account: str, seconds: int, *, forwarded: bool) -> tuple[str, str]:
    """A token for the gateway and when it ends; one that is forwarded is good for the cluster's API too."""
    namespace, name = _parts(account)
    audience = session.exports(GATEWAY)["audience"]
    if kube.get(ResourceId("ServiceAccount", name, namespace)) is None:
        resource = kube.resource("v1", "ServiceAccount")
        listed = kube.list_metadata(resource) if resource else []
        known = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in listed]
        raise MlstackError(
            "connect.account",
            f"there is no service account '{account}'",
            remedy=did_you_mean(account, known),
            exit_code=ExitCode.USAGE,
        )
    audiences = [audience, *(_api_audiences(kube, namespace, name) if forwarded else ())]
    return kube.token(namespace, name, audiences, seconds)


def _api_audiences(kube: Kube, namespace: str, name: str) -> list[str]:
    """Whom the cluster's API takes tokens for: what a token says that was asked for without an audience."""
    plain, _ = kube.token(namespace, name, [], SHORTEST)
    return audiences_of(plain)
