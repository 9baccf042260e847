"""The gateway's rules by who is who: a principal without an issuer is nobody, and a rule about nobody shuts everybody out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contract_data import FACTS, Workshop
from test_mesh import found, renderings

LISTS = ("requestPrincipals", "notRequestPrincipals")


def principals(policy: dict[str, Any]) -> Iterator[str]:
    for rule in policy["spec"].get("rules") or ():
        for entry in rule.get("from") or ():
            for name in LISTS:
                yield from entry["source"].get(name) or ()


def test_every_principal_has_an_issuer_whom_the_gateway_believes(workshop: Workshop) -> None:
    stacks = renderings(workshop, "gateway", "dex", FACTS)
    policies = [obj for one in stacks.values() for obj in found(one, "AuthorizationPolicy")]
    believed = {
        rule["issuer"]
        for one in stacks.values()
        for obj in found(one, "RequestAuthentication")
        for rule in obj["spec"]["jwtRules"]
    }
    named = [name for policy in policies for name in principals(policy) if name != "*"]
    assert named and "" not in believed
    assert [name for name in named if name.rpartition("/")[0] not in believed] == []
