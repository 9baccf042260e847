"""What the gateway makes of a bearer token by its RequestAuthentications, without a look at the signature. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.model import Object, ResourceId

SKEW = 60.0
"""Seconds that the gateway's clock may differ from the issuer's."""
RECENT = 3600.0
"""Seconds after its end within which a token may also be one that was only just made, by a clock that is behind."""
CLOCKS = (
    "The clock of who made it is ahead of the cluster's: set both by a time service (`mlstack doctor` compares them)"
)
CLOCKS_OF_NEW = "If it was just made, the clock of who made it is behind the cluster's (`mlstack doctor` compares them)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request's token is worth. status: 0 when it is accepted or there is none, else what the gateway answers.

    principal: ``issuer/subject``; identity: header -> value that applications get; by: the object that decides.
    """

    status: int = 0
    reason: str = ""
    principal: str = ""
    by: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)


def judge(authentications: Sequence[Object], authorization: str, now: float) -> Verdict:
    """By the token in an Authorization header. A value that begins otherwise than a rule wants holds no token for it."""
    rules = [(ResourceId.of(obj), rule) for obj in authentications for rule in obj["spec"].get("jwtRules") or ()]
    if not rules or not any(authorization.startswith(prefix) for _, rule in rules for prefix in _prefixes(rule)):
        return Verdict()
    parts = authorization.partition(" ")[2].split(".")
    by = ", ".join(dict.fromkeys(str(rid) for rid, _ in rules))
    if len(parts) != 3:
        return Verdict(401, "Jwt is not in the form of Header.Payload.Signature", by=by)
    header, claims = _part(parts[0]), _part(parts[1])
    if header is None or claims is None:
        return Verdict(401, "Jwt cannot be read", by=by)
    if header.get("alg") in (None, "none"):
        return Verdict(401, "Jwt header [alg] is not supported", by=by)
    return judge_claims(authentications, claims, now)


def judge_claims(authentications: Sequence[Object], claims: Mapping[str, Any], now: float) -> Verdict:
    """By the claims of a token that is taken to be signed as it should be."""
    rules = [(ResourceId.of(obj), rule) for obj in authentications for rule in obj["spec"].get("jwtRules") or ()]
    issuer = str(claims.get("iss", ""))
    found = next(((rid, rule) for rid, rule in rules if rule.get("issuer") == issuer), None)
    if found is None:
        known = ", ".join(str(rule.get("issuer")) for _, rule in rules)
        by = ", ".join(dict.fromkeys(str(rid) for rid, _ in rules))
        return Verdict(401, f"Jwt issuer is not configured: '{issuer}' is none of {known}", by=by)
    rid, rule = found
    untimely = _untimely(claims, now)
    if untimely:
        return Verdict(401, untimely, by=str(rid))
    wanted, given = rule.get("audiences") or [], _list(claims.get("aud"))
    if wanted and not set(wanted) & set(given):
        told = f"Audiences in Jwt are not allowed: {', '.join(given) or 'none'} instead of {', '.join(wanted)}"
        return Verdict(403, told, by=str(rid))
    identity = {
        one["header"]: ",".join(_list(claims.get(one["claim"])))
        for one in rule.get("outputClaimToHeaders") or ()
        if claims.get(one["claim"])
    }
    return Verdict(principal=f"{issuer}/{claims.get('sub', '')}", by=str(rid), claims=claims, identity=identity)


def _untimely(claims: Mapping[str, Any], now: float) -> str:
    """What is wrong with a token's times; where it can only be a clock, that is said with the remedy."""
    begins, ends, made = (_seconds(claims.get(name)) for name in ("nbf", "exp", "iat"))
    if begins is not None and begins - SKEW > now:
        return f"Jwt not yet valid: it begins in {begins - now:.0f} s. {CLOCKS}"
    if ends is None or ends + SKEW >= now:
        return ""
    ago = f"Jwt is expired: {now - ends:.0f} s ago"
    if made is not None and made - SKEW > now:
        return f"{ago}, and made {made - now:.0f} s from now. {CLOCKS}"
    return f"{ago}; get a new one. {CLOCKS_OF_NEW}" if now - ends < RECENT else f"{ago}; get a new one"


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; nothing for what is no token. The signature is not looked at."""
    parts = token.split(".")
    return (_part(parts[1]) if len(parts) == 3 else None) or {}


def audiences_of(token: str) -> list[str]:
    """Whom a token says it is for."""
    return _list(claims_of(token).get("aud"))


def _prefixes(rule: Mapping[str, Any]) -> list[str]:
    headers = rule.get("fromHeaders") or [{"name": "Authorization", "prefix": "Bearer "}]
    return [one.get("prefix", "") for one in headers if one["name"].lower() == "authorization"]


def _part(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
