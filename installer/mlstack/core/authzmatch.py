"""Whether a policy or a route is for a request: the subset of Istio's API that the platform's own stacks use. Pure.

What is beyond that subset raises Unsupported, so that nothing is told as certain which is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.model import Object, ResourceId
from mlstack.core.urlpath import matches

Rule = Mapping[str, Any]


class Unsupported(Exception):
    """A field of Istio's API that is not evaluated here; its text names it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the gateway's rules see it. host: the authority as sent; port: of the listener in the pod; headers: names
    in lower case; path: normalized; principal and claims: of an accepted token."""

    host: str
    port: int
    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    principal: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)


def policy_applies(policy: Object, request: Request) -> bool:
    """True when one of the rules is for the request; a policy without rules is for none."""
    return any(_rule(rule, request) for rule in policy["spec"].get("rules") or ())


def why_not(policy: Object, request: Request) -> str:
    """What keeps a policy from being for the request, rule by rule."""
    return "; ".join(_obstacle(rule, request) for rule in policy["spec"].get("rules") or ()) or "it has no rules"


def _rule(rule: Rule, request: Request) -> bool:
    return not _obstacle(rule, request)


def _obstacle(rule: Rule, request: Request) -> str:
    """Why a rule is not for the request; empty when it is. ``from``, ``to`` and ``when`` must all fit, one entry of each list."""
    sources = [_misfit(one.get("source") or {}, _source_value, request) for one in rule.get("from") or ()]
    operations = [_misfit(one.get("operation") or {}, _operation_value, request) for one in rule.get("to") or ()]
    for misfits in (sources, operations):
        if misfits and all(misfits):
            return misfits[0]
    return next((found for one in rule.get("when") or () if (found := _condition(one, request))), "")


def _misfit(fields: Rule, value_of: Callable[[str, Request], str], request: Request) -> str:
    """The first field that does not hold, empty when all do. ``notX`` holds when none of its patterns matches."""
    for name, given in fields.items():
        negative = name.startswith("not")
        positive = name[3].lower() + name[4:] if negative else name
        value = value_of(positive, request)
        patterns = [str(one).lower() if positive == "hosts" else str(one) for one in given]
        hit = next((pattern for pattern in patterns if matches(pattern, value)), None)
        if negative and hit is not None:
            return f"{name} has {hit}"
        if not negative and hit is None:
            return f"{name} has only {', '.join(patterns)}"
    return ""


def _operation_value(name: str, request: Request) -> str:
    values = {
        "hosts": request.host.lower(),
        "ports": str(request.port),
        "paths": request.path,
        "methods": request.method,
    }
    if name not in values:
        raise Unsupported(f"to.operation.{name}")
    return values[name]


def _source_value(name: str, request: Request) -> str:
    if name != "requestPrincipals":
        raise Unsupported(f"from.source.{name}")
    return request.principal


def _condition(condition: Rule, request: Request) -> str:
    """What is wrong with a condition, empty when it holds."""
    key = str(condition["key"])
    values = _condition_values(key, request)
    wanted, unwanted = condition.get("values") or [], condition.get("notValues") or []
    if wanted and not any(matches(str(pattern), value) for pattern in wanted for value in values):
        return f"{key} is none of {', '.join(map(str, wanted))}"
    hit = next((pattern for pattern in unwanted for value in values if matches(str(pattern), value)), None)
    return "" if hit is None else f"{key} is there" if hit == "*" else f"{key} is {hit}"


def _condition_values(key: str, request: Request) -> list[str]:
    found = re.fullmatch(r"request\.headers\[([^\]]+)\]", key)
    if found:
        name = found[1].lower()
        return [request.headers[name]] if name in request.headers else []
    found = re.fullmatch(r"request\.auth\.claims\[([^\]]+)\]", key)
    if found:
        value = request.claims.get(found[1], [])
        return [str(one) for one in value] if isinstance(value, list) else [str(value)]
    if key == "request.auth.principal":
        return [request.principal] if request.principal else []
    raise Unsupported(f"when.key {key}")


def selects(obj: Object, labels: Mapping[str, str]) -> bool:
    """Whether a policy's selector is for pods with the labels; one without a selector is for all."""
    wanted = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return wanted.items() <= labels.items()


def virtual_services(objects: Iterable[Object], gateways: Sequence[str], host: str) -> list[Object]:
    """Those at one of the gateways (``namespace/name``) whose hosts fit best: the name itself, a wildcard, ``*``."""
    host = re.sub(r":\d+$", "", host.lower())
    best: dict[int, list[Object]] = {}
    for obj in objects:
        if obj["kind"] != "VirtualService" or not set(_gateways(obj)) & set(gateways):
            continue
        fits = [len(one) + (1000 if "*" not in one else 0) for one in obj["spec"]["hosts"] if _host_fits(one, host)]
        if fits:
            best.setdefault(max(fits), []).append(obj)
    return best[max(best)] if best else []


def _gateways(obj: Object) -> list[str]:
    namespace = obj["metadata"].get("namespace", "")
    return [name if "/" in name else f"{namespace}/{name}" for name in obj["spec"].get("gateways") or ()]


def _host_fits(pattern: str, host: str) -> bool:
    pattern = pattern.lower()
    return pattern == "*" or pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def find_route(services: Sequence[Object], request: Request) -> tuple[ResourceId, Rule] | None:
    """The first route that is for the request: in the order they are written, but what takes everything comes last, since
    the services of one host are joined."""
    everything: list[tuple[ResourceId, Rule]] = []
    for obj in services:
        for route in obj["spec"].get("http") or ():
            if not route.get("match"):
                everything.append((ResourceId.of(obj), route))
                break  # nothing behind it is ever reached
            if any(_route(match, request) for match in route["match"]):
                return ResourceId.of(obj), route
    return everything[0] if everything else None


def _route(match: Rule, request: Request) -> bool:
    for name, wanted in match.items():
        if name == "name":
            continue
        if name == "uri":
            value = request.path.lower() if match.get("ignoreUriCase") else request.path
        elif name == "method":
            value = request.method
        elif name == "authority":
            value = request.host
        elif name == "headers":
            if not all(_string(one, request.headers.get(key.lower())) for key, one in wanted.items()):
                return False
            continue
        elif name == "ignoreUriCase":
            continue
        else:
            raise Unsupported(f"match.{name}")
        if not _string(wanted, value):
            return False
    return True


def _string(wanted: Rule, value: str | None) -> bool:
    if value is None:
        return False
    for kind, pattern in wanted.items():
        if kind == "exact":
            return value == str(pattern)
        if kind == "prefix":
            return value.startswith(str(pattern))
        if kind == "regex":
            return re.fullmatch(str(pattern), value) is not None
        raise Unsupported(f"a match by {kind}")
    return True
