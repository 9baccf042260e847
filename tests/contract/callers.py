"""Who asks the gateway, as its policies see them; whom pods listen to and reach, as their policies say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

ISSUER = "https://kubernetes.default.svc.cluster.local"


def person(email: str, *groups: str) -> dict[str, Any]:
    """Somebody with a token of the login."""
    return {
        "principal": "https://lab/dex/x",
        "claims": {"email": email, **({"groups": list(groups)} if groups else {})},
    }


def machine(namespace: str, name: str = "default-editor") -> dict[str, Any]:
    """A program with a service account's token."""
    return {"principal": f"{ISSUER}/system:serviceaccount:{namespace}:{name}", "claims": {"iss": ISSUER}}


def only_the_gateway_gets_in(objects: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """What all pods of a stack reach, by namespace: ports. Fails where anybody but the gateway reaches them."""
    found = [obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy"]
    policies = {tuple(spec["policyTypes"]): spec for spec in found}
    (caller,) = policies["Ingress",]["ingress"]
    (source,) = caller["from"]
    (expression,) = source["namespaceSelector"]["matchExpressions"]
    assert expression["key"].endswith("/gateway") and "podSelector" not in source
    assert all(spec["podSelector"] == {} for spec in found)
    rules = policies["Egress",]["egress"]
    name = "kubernetes.io/metadata.name"
    return {
        rule["to"][0]["namespaceSelector"]["matchLabels"][name]: [port["port"] for port in rule["ports"]]
        for rule in rules
    }
