"""A platform with Knative behind one of upstream's ingresses, and how its objects are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.context import ExternalFacts
from mlstack.core.desired import RenderedStack
from mlstack.core.people import Member, People, Profile
from mlstack.core.resolve import Choice, resolve

HOST = "lab.localhost"
PEOPLE = People(
    profiles=(
        Profile("ann", "ann@lab", (Member("bob@lab", "view"), Member("readers", "edit", group=True))),
        Profile("zoe", "zoe@lab"),
        Profile("open", "ann@lab"),
    )
)
ADDONS = {"net-istio": "istio", "net-kourier": "kourier"}
GATEWAY = "istio-system/platform"

Stacks = dict[str, RenderedStack]
RENDERED: dict[str, Stacks] = {}


def rendering(workshop: Workshop, *addons: str, off: tuple[str, ...] = (), **params: Any) -> Stacks:
    key = repr((addons, off, sorted(params.items())))
    if key not in RENDERED:
        RENDERED[key] = make(workshop, addons, off, params)
    return RENDERED[key]


def make(workshop: Workshop, addons: tuple[str, ...], off: tuple[str, ...], params: dict[str, Any]) -> Stacks:
    choices = {name: Choice(enabled=False) for name in off}
    choices |= {name: Choice(enabled=True) for name in (*addons, "kserve")}
    choices["knative"] = Choice(enabled=True, params={"publicNamespaces": ["open", "models"], **params})
    selection = resolve(CATALOGUE, workshop.release, "standard", choices=choices)
    facts = replace(FACTS, people=PEOPLE, external=ExternalFacts(HOST, 8443))
    return {one.name: one for one in workshop.renderer.render(selection, facts)}


def objects(stacks: Stacks, kind: str) -> Iterator[dict[str, Any]]:
    return (obj for one in stacks.values() for obj in one.objects if obj["kind"] == kind)


def find(stacks: Stacks, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    (found,) = (
        obj
        for obj in objects(stacks, kind)
        if obj["metadata"]["name"] == name and namespace in ("", obj["metadata"].get("namespace", ""))
    )
    return found


def address(stacks: Stacks, host: str) -> dict[str, Any]:
    """The Service with that name in the cluster."""
    name, namespace, *rest = host.split(".")
    assert rest == ["svc", "cluster", "local"]
    return find(stacks, "Service", name, namespace)
