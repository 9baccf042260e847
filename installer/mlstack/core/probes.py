"""The attack list on the gateway (goal S2): requests that must not get past the login, for every route. Pure; others send them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlstack.core.authztoken import claims_of
from mlstack.core.model import Object

Headers = tuple[tuple[str, str], ...]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LOGIN = (302, 303, 307)
MOVED = (301, 308)
REFUSED = (400, 401, 403, 405, 421, 426, 431)
"""Answers of a gateway that lets a request go no further: malformed, not who it says, not allowed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request. attack: what it tries; route: the path whose protection it tests; target: the path as it is sent."""

    attack: str
    route: str
    method: str = "GET"
    target: str = ""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. body: its beginning; status 0: the connection was closed without an answer; served: by something
    behind the gateway, not by the gateway itself."""

    status: int
    location: str = ""
    body: bytes = b""
    served: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What an attacker may know or imitate. user: an administrator's name as applications see it; header: the one that tells it;
    wrong_audience: a token that the cluster really signed, for somebody else."""

    user: str
    header: str
    groups_header: str
    issuers: Sequence[tuple[str, str]]
    """(issuer, audience) pairs the gateway accepts."""
    good: str
    wrong_audience: str
    without_role: str = ""
    """A token that is good for the gateway but not for this route, which is for a role; empty where there is no such rule."""
    cookie: str = "__Host-mlstack"


def protected_paths(objects: Iterable[Object], gateway: str, public: Sequence[str]) -> list[str]:
    """A path of every route that the rendered VirtualServices have at the gateway for all hosts, and one that nobody claims.

    gateway: ``namespace/name``; public: prefixes that need no login.
    """
    found = {"/mlstack-probe/nothing"}
    for obj in objects:
        if obj["kind"] != "VirtualService" or gateway not in obj["spec"].get("gateways", ()):
            continue
        if "*" not in obj["spec"].get("hosts", ()):
            continue
        for route in obj["spec"].get("http", ()):
            for match in route.get("match") or [{"uri": {"prefix": "/"}}]:
                uri = match.get("uri", {})
                found.add(uri.get("exact") or uri.get("prefix", "/"))
    return sorted(path for path in found if not path.startswith(tuple(public)))


def probes(route: str, public: Sequence[str], identity: Identity) -> Iterator[Probe]:
    """Every attack on one route."""
    for method in METHODS:
        yield Probe(f"no login, {method}", route, method, route)
    for name, headers in {**_cookies(identity), **_forged_headers(identity), **_tokens(identity)}.items():
        yield Probe(name, route, "GET", route, headers)
    for target in _paths(route, public):
        yield Probe("path trick", route, "GET", target)
        yield Probe("path trick with a forged header", route, "GET", target, ((identity.header, identity.user),))


def control(route: str, identity: Identity) -> Probe:
    """The same route with the right to it: without it a refusal would prove nothing."""
    return Probe("valid token", route, "GET", route, _bearer(identity.good))


def accepted(route: str, answer: Answer, rightful: Answer, login: str) -> bool:
    """Whether an attack got through: an answer that is neither a refusal nor the way to the login, or what the rightful got.

    login: URL of the identity provider's login. An oddly written path that is only sent on to the route itself got nothing.
    """
    if answer.status == 0 or answer.status in REFUSED:
        return False
    if answer.status in LOGIN and answer.location.startswith(login):
        return False
    if answer.status in MOVED and answer.location == route:
        return False
    alike = answer.status == rightful.status and answer.body == rightful.body
    return alike or answer.status < 400 or answer.status >= 500


def _bearer(token: str) -> Headers:
    return (("Authorization", f"Bearer {token}"),)


def _cookies(identity: Identity) -> dict[str, Headers]:
    ticket = base64.urlsafe_b64encode(b"mlstack-0123456789abcdef0123456789abcdef").decode()
    values = {
        "junk cookie": "x",
        "empty cookie": "",
        "made-up session": f"{ticket}.AAAAAAAAAAAAAAAAAAAAAA|{int(time.time())}|AAAA",
        "unsigned session": f"{ticket}|{int(time.time())}|",
        "long cookie": "A" * 3000,
    }
    return {name: (("Cookie", f"{identity.cookie}={value}"),) for name, value in values.items()}


def _forged_headers(identity: Identity) -> dict[str, Headers]:
    user, header, groups = identity.user, identity.header, identity.groups_header
    names = [
        header,
        header.upper(),
        header.replace("-", "_"),
        header.title(),
        *("x-auth-request-email", "x-auth-request-user", "x-forwarded-user", "x-forwarded-email", "remote-user"),
        *("x-remote-user", "x-goog-authenticated-user-email", "x-forwarded-preferred-username", "x-user", "x-email"),
    ]
    found: dict[str, Headers] = {f"forged {name}": ((name, user),) for name in names}
    found["forged user and groups"] = ((header, user), (groups, "admins"))
    found["the header twice"] = ((header, "nobody@example.org"), (header, user))
    rewriting = {
        "X-Original-URL": "/dex/",
        "X-Rewrite-URL": "/dex/",
        "X-Forwarded-Uri": "/oauth2/auth",
        "X-Forwarded-Prefix": "/dex",
        "X-Envoy-Original-Path": "/dex/",
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-Ip": "127.0.0.1",
        "X-Forwarded-Host": "localhost",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Client-Cert": "By=spiffe://cluster.local/ns/login/sa/default;URI=spiffe://cluster.local/ns/x/sa/y",
        "X-Envoy-Internal": "true",
        "X-HTTP-Method-Override": "OPTIONS",
        "X-Auth-Request-Redirect": "/dex/",
        "Connection": f"close, {header}",
        "Upgrade": "websocket",
    }
    found |= {f"{name}: {value.partition(';')[0]}": ((name, value),) for name, value in rewriting.items()}
    return found


def _tokens(identity: Identity) -> dict[str, Headers]:
    found: dict[str, Headers] = {
        "token for somebody else": _bearer(identity.wrong_audience),
        **({"token without the role": _bearer(identity.without_role)} if identity.without_role else {}),
        "token with another subject": _bearer(_altered(identity.good, {"sub": identity.user, "email": identity.user})),
        "token without its signature": _bearer(identity.good.rpartition(".")[0] + "."),
        "token cut off": _bearer(identity.good[:-20]),
        "empty token": (("Authorization", "Bearer "),),
        "garbage token": _bearer("a.b.c"),
        "password instead of a token": (("Authorization", "Basic YWRtaW46YWRtaW4="),),
        "another scheme": (("Authorization", f"Token {identity.good}"),),
        "two tokens": (*_bearer("a.b.c"), *_bearer(_altered(identity.good, {"sub": identity.user}))),
        "token in the address only": (("X-Access-Token", identity.good),),
        "token in another header": (("X-Forwarded-Access-Token", identity.good),),
    }
    for issuer, audience in identity.issuers:
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": audience,
            "sub": identity.user,
            "email": identity.user,
            "groups": ["admins"],
        }
        claims |= {"iat": int(time.time()) - 60, "exp": int(time.time()) + 3600, "email_verified": True}
        where = f"({issuer})"
        found[f"alg none {where}"] = _bearer(_jwt({"alg": "none"}, claims, b""))
        found[f"alg NONE {where}"] = _bearer(_jwt({"alg": "NoNe"}, claims, b""))
        found[f"own key {where}"] = _bearer(_jwt({"alg": "HS256", "kid": "own"}, claims, b"own key"))
        found[f"key by address {where}"] = _bearer(
            _jwt({"alg": "HS256", "jku": "https://example.org/keys", "kid": "own"}, claims, b"own key")
        )
        found[f"own key, ended {where}"] = _bearer(_jwt({"alg": "HS256"}, {**claims, "exp": 1}, b"own key"))
        found[f"own key, audience list {where}"] = _bearer(
            _jwt({"alg": "HS256"}, {**claims, "aud": [audience, "x"]}, b"own key")
        )
    found["another issuer"] = _bearer(
        _jwt({"alg": "HS256"}, {"iss": "https://accounts.example.org", "sub": identity.user}, b"own key")
    )
    return found


def _paths(route: str, public: Sequence[str]) -> list[str]:
    """Ways to write the route so that it might be taken for a public one, or for nothing that a rule knows."""
    rest = route.lstrip("/")
    found = [
        f"//{rest}",
        f"/./{rest}",
        f"/%2f{rest}",
        f"/%2F{rest}",
        f"/x/../{rest}",
        f"/x/%2e%2e/{rest}",
        f"{route}%00",
    ]
    found += [
        f"/;/{rest}",
        f"{route};x=y",
        f"{route}#/dex/",
        f"{route}?/dex/",
        f"/\\{rest}",
        f"/%5c{rest}",
        f"/{rest}%20",
    ]
    for prefix in public:
        found += [f"{prefix}../{rest}", f"{prefix}%2e%2e/{rest}", f"{prefix}..%2f{rest}", f"{prefix}%2e%2e%2f{rest}"]
        found += [f"{prefix}..;/{rest}", f"{prefix}..\\{rest}", f"{prefix}..%5c{rest}", f"{prefix}%252e%252e/{rest}"]
        found += [f"{prefix}x/../../{rest}", f"{prefix}.%2e/{rest}", f"{prefix}/..//../{rest}", f"{route}?{prefix}"]
    return list(dict.fromkeys(found))


def _jwt(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes) -> str:
    text = ".".join(
        _part(json.dumps({"typ": "JWT", **header}).encode() if part == 0 else json.dumps(claims).encode())
        for part in (0, 1)
    )
    return f"{text}.{_part(hmac.new(key, text.encode(), hashlib.sha256).digest()) if key else ''}"


def _altered(token: str, claims: Mapping[str, Any]) -> str:
    """The token with other claims under the old signature."""
    head, _, signature = (*token.split("."), "", "")[:3]
    return f"{head}.{_part(json.dumps({**claims_of(token), **claims}).encode())}.{signature}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
