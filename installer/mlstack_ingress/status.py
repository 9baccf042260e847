"""What Knative reads from an Ingress: whether every gateway routes it, and under which address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlstack_ingress.snapshot import Verdict

READY, NETWORK, BALANCER = "Ready", "NetworkConfigured", "LoadBalancerReady"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Names of the Services before the gateways, for callers from outside and from inside."""

    public: str
    private: str


@dataclass(frozen=True, slots=True)
class Finding:
    """status: True, False or Unknown, with a reason in CamelCase and a message for people where it is not True."""

    status: str
    reason: str = ""
    message: str = ""


GOOD = Finding("True")


def desired_status(
    obj: Mapping[str, Any], verdict: Verdict, behind: list[str], addresses: Addresses, now: str
) -> dict[str, Any]:
    """The object's status. behind: what is not so far yet, for people; empty: every gateway has this generation.

    now: the time as the API writes it. Other fields of the status stay as they are.
    """
    network, balancer = _findings(obj, verdict, behind)
    whole = network if network != GOOD else balancer
    old = obj.get("status") or {}
    conditions = {READY: whole, NETWORK: network, BALANCER: balancer}
    status = {
        **old,
        "observedGeneration": int(obj["metadata"].get("generation") or 1),
        "conditions": [_condition(old, kind, conditions[kind], now) for kind in sorted(conditions)],
    }
    if whole == GOOD:
        status["publicLoadBalancer"] = {"ingress": [{"domainInternal": addresses.public}]}
        status["privateLoadBalancer"] = {"ingress": [{"domainInternal": addresses.private}]}
    return status


def _findings(obj: Mapping[str, Any], verdict: Verdict, behind: list[str]) -> tuple[Finding, Finding]:
    unknown = Finding("Unknown", "NotConfigured", "the network is not configured")
    if verdict.kind == "conflict":
        return Finding("False", "DomainConflict", verdict.message), unknown
    if verdict.kind == "invalid":
        return Finding("False", "Invalid", verdict.message), unknown
    if was_ready(obj):  # and so it stays while this generation does, also when this program has just started
        return GOOD, GOOD
    if verdict.kind == "waiting":
        return Finding("Unknown", "Waiting", verdict.message), unknown
    if behind:
        return GOOD, Finding("Unknown", "GatewaysBehind", "; ".join(behind))
    return GOOD, GOOD


def was_ready(obj: Mapping[str, Any]) -> bool:
    """Whether the object was found ready at the generation that it has."""
    status = obj.get("status") or {}
    conditions = status.get("conditions") or []
    ready = any(one.get("type") == READY and one.get("status") == "True" for one in conditions)
    return ready and status.get("observedGeneration") == int(obj["metadata"].get("generation") or 1)


def _condition(status: Mapping[str, Any], kind: str, finding: Finding, now: str) -> dict[str, str]:
    conditions: list[Mapping[str, str]] = status.get("conditions") or []
    old = next((one for one in conditions if one.get("type") == kind), {})
    since = old.get("lastTransitionTime") if old.get("status") == finding.status else None
    made = {"type": kind, "status": finding.status, "lastTransitionTime": since or now}
    if finding.reason:
        made |= {"reason": finding.reason, "message": finding.message}
    return made
