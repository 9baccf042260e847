"""What Knative is told of an Ingress."""

from __future__ import annotations

from typing import Any

import pytest
from ingressworld import ingress, ready_status

from mlstack_ingress.snapshot import Verdict
from mlstack_ingress.status import Addresses, desired_status

ADDRESSES = Addresses("public.svc", "private.svc")
NOW = "2026-11-02T00:00:00Z"
PROGRAMMED = Verdict("programmed")


def made(obj: dict[str, Any], verdict: Verdict, behind: list[str] | None = None) -> dict[str, Any]:
    return desired_status(obj, verdict, behind or [], ADDRESSES, NOW)


def said(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one.get("reason", "")) for one in status["conditions"]}


def test_routed_by_every_gateway_is_ready_with_addresses() -> None:
    status = made(ingress(generation=3), PROGRAMMED)
    assert set(said(status).values()) == {("True", "")}
    assert status["observedGeneration"] == 3
    assert status["publicLoadBalancer"] == {"ingress": [{"domainInternal": "public.svc"}]}
    assert status["privateLoadBalancer"] == {"ingress": [{"domainInternal": "private.svc"}]}


def test_one_gateway_behind_is_not_ready_and_says_which() -> None:
    status = made(ingress(), PROGRAMMED, ["gateway g-2 does not run this yet"])
    assert said(status) == {
        "LoadBalancerReady": ("Unknown", "GatewaysBehind"),
        "NetworkConfigured": ("True", ""),
        "Ready": ("Unknown", "GatewaysBehind"),
    }
    assert "publicLoadBalancer" not in status
    assert "g-2" in status["conditions"][0]["message"]


@pytest.mark.parametrize("verdict", [PROGRAMMED, Verdict("waiting", "Service a is not there")])
def test_ready_stays_ready_at_its_generation_whatever_is_behind(verdict: Verdict) -> None:
    obj = ingress(status=ready_status())
    assert made(obj, verdict, ["no gateway is ready"]) == obj["status"], "not one field changes, so nothing is written"


def test_a_new_generation_is_judged_anew() -> None:
    obj = ingress(generation=2, status=ready_status(1))
    assert said(made(obj, PROGRAMMED, ["later"]))["Ready"] == ("Unknown", "GatewaysBehind")
    assert said(made(obj, Verdict("waiting", "x")))["Ready"] == ("Unknown", "Waiting")


@pytest.mark.parametrize(("kind", "reason"), [("conflict", "DomainConflict"), ("invalid", "Invalid")])
def test_conflicts_and_nonsense_are_false_also_for_what_was_ready(kind: Any, reason: str) -> None:
    for obj in (ingress(), ingress(status=ready_status())):
        found = said(made(obj, Verdict(kind, "because")))
        assert found["Ready"] == found["NetworkConfigured"] == ("False", reason)


def test_times_change_with_the_status_only() -> None:
    obj = ingress(generation=2, status=ready_status(1))
    times = {one["type"]: one["lastTransitionTime"] for one in made(obj, PROGRAMMED, ["later"])["conditions"]}
    assert times["NetworkConfigured"] == "2026-11-01T00:00:05Z"
    assert times["Ready"] == times["LoadBalancerReady"] == NOW


def test_what_others_wrote_into_the_status_stays() -> None:
    assert made(ingress(status={"annotations": {"a": "b"}}), PROGRAMMED)["annotations"] == {"a": "b"}


def test_said_twice_is_the_same() -> None:
    status = made(ingress(), PROGRAMMED, ["later"])
    assert desired_status(ingress(status=status), PROGRAMMED, ["later"], ADDRESSES, "2027-01-01T00:00:00Z") == status
