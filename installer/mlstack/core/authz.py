"""Why the gateway answers a request as it does: its filters one after the other, over the objects that configure them. Pure.

The order is Istio's: external authorisation (CUSTOM policies), tokens (RequestAuthentication), DENY and ALLOW policies, route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlstack.core.authzgate import Gate
from mlstack.core.authzmatch import Request, Rule, Unsupported, find_route, policy_applies, why_not
from mlstack.core.authzresult import Decision, Explanation, Step
from mlstack.core.authztoken import Verdict, judge, judge_claims
from mlstack.core.model import ResourceId

JSON = "application/json"


@dataclass(slots=True)
class _Walk:
    """The steps so far. session: claims of the browser session the request comes with, None without one."""

    gate: Gate
    request: Request
    session: Mapping[str, Any] | None
    now: float
    steps: list[Step] = field(default_factory=list)
    open_points: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    def tell(self, by: object, text: str) -> None:
        self.steps.append(Step(by=str(by), text=text))


def explain(
    gate: Gate, request: Request, url: str, target: str, now: float, session: Mapping[str, Any] | None = None
) -> Explanation:
    """How the gateway answers. target: the path as sent; now: seconds since the epoch."""
    walk = _Walk(gate, request, session, now, open_points=list(gate.open_points))
    walk.tell(f"listener {request.port}", gate.reached(request.host))
    if request.path != target:
        walk.tell("path", f"'{target}' is taken for '{request.path}' ({gate.normalization})")
    try:
        decision, status, route = _decide(walk)
    except Unsupported as unsupported:
        walk.open_points.append(str(unsupported))
        decision, status, route = Decision.UNKNOWN, 0, ""
    return Explanation(
        url=url,
        path=request.path,
        decision=decision,
        status=status,
        steps=tuple(walk.steps),
        open_points=tuple(walk.open_points),
        route=route,
        user=", ".join(f"{name}: {value}" for name, value in walk.verdict.identity.items()),
    )


def _decide(walk: _Walk) -> tuple[Decision, int, str]:
    services = walk.gate.services(walk.request.host)
    found = find_route(services, walk.request)
    if found is not None:
        refused = _login(walk)
        if refused:
            return Decision.LOGIN, refused, ""
    else:
        walk.tell("route", "nothing is at this address, so nobody is asked to log in")
    refused = _token(walk) or _policies(walk)
    if refused:
        return Decision.REFUSED, refused, ""
    if found is None:
        return Decision.DIRECT, 404, ""
    return _routed(walk, *found)


def _login(walk: _Walk) -> int:
    """The status of the login's refusal, 0 when it lets the request on or is not asked."""
    for policy in walk.gate.policies("CUSTOM"):
        rid, provider = ResourceId.of(policy), (policy["spec"].get("provider") or {}).get("name", "")
        if not policy_applies(policy, walk.request):
            walk.tell(rid, f"'{provider}' is not asked, since {why_not(policy, walk.request)}")
        elif walk.session is None:
            api = JSON in walk.request.headers.get("accept", "")
            answer = "401, since the client wants JSON" if api else "302, to the login page"
            walk.tell(rid, f"'{provider}' is asked, and there is neither a session nor a token -> {answer}")
            return 401 if api else 302
        else:
            walk.tell(rid, f"'{provider}' is asked: it knows the session and adds its token")
            walk.verdict = judge_claims(walk.gate.authentications, walk.session, walk.now)
    return 0


def _token(walk: _Walk) -> int:
    """The status of a token's refusal."""
    verdict = walk.verdict
    if not verdict.principal and not verdict.status:
        verdict = judge(walk.gate.authentications, walk.request.headers.get("authorization", ""), walk.now)
    walk.verdict = verdict
    if verdict.status:
        walk.tell(verdict.by, f"{verdict.reason} -> {verdict.status}")
        return verdict.status
    if not verdict.principal:
        carried = "authorization" in walk.request.headers
        walk.tell("token", "the Authorization header holds no bearer token" if carried else "the request carries none")
        return 0
    headers = ", ".join(f"{name}: {value}" for name, value in verdict.identity.items())
    walk.tell(verdict.by, f"the token of {verdict.principal} is accepted; applications get {headers or 'no identity'}")
    if walk.session is None:
        walk.open_points.append("the token's signature: only the gateway checks it (--check sends the request)")
    walk.request = replace(walk.request, principal=verdict.principal, claims=verdict.claims)
    return 0


def _policies(walk: _Walk) -> int:
    """403 where a DENY policy is for the request, or ALLOW policies are there and none is."""
    for policy in walk.gate.policies("DENY"):
        if policy_applies(policy, walk.request):
            who = walk.request.principal or "who brings no accepted token"
            walk.tell(ResourceId.of(policy), f"denies it: this address is not for {who} -> 403")
            return 403
        walk.tell(ResourceId.of(policy), f"does not deny it, since {why_not(policy, walk.request)}")
    allowing = walk.gate.policies("ALLOW")
    if not allowing:
        return 0
    for policy in allowing:
        if policy_applies(policy, walk.request):
            walk.tell(ResourceId.of(policy), "allows it")
            return 0
    walk.tell(", ".join(str(ResourceId.of(one)) for one in allowing), "none allows it -> 403")
    return 403


def _routed(walk: _Walk, rid: ResourceId, route: Rule) -> tuple[Decision, int, str]:
    name = f"{rid} route '{route.get('name', '')}'"
    if "redirect" in route:
        redirect = route["redirect"]
        status = int(redirect.get("redirectCode", 301))
        target = redirect.get("uri", walk.request.path)
        walk.tell(name, f"sends on to {redirect.get('authority', walk.request.host)}{target} -> {status}")
        return Decision.REDIRECT, status, name
    if "directResponse" in route:
        status = int(route["directResponse"]["status"])
        walk.tell(name, f"answers by itself -> {status}")
        return Decision.DIRECT, status, name
    services = [_destination(one["destination"]) for one in route.get("route") or ()]
    rewrite = (route.get("rewrite") or {}).get("uri")
    changed = f" as '{rewrite}...'" if rewrite else ""
    walk.tell(name, f"goes to {', '.join(services)}{changed}; the answer is that service's")
    return Decision.SERVICE, 0, name


def _destination(destination: Mapping[str, Any]) -> str:
    port = (destination.get("port") or {}).get("number")
    return f"{destination['host']}:{port}" if port else str(destination["host"])
