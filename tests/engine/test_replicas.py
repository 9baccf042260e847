"""Workloads whose number of pods is their users' affair: made with so many as they say, and left as they are after that. On a
real API server, which knows whose each field is; skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sampleobjects import applied, deployment, ns
from world import INSTANCE, World, stack

from mlstack.adapters.kube_http import Patience
from mlstack.core.model import SYSTEM_NAMESPACE, ResourceId

RID = ResourceId("Deployment", "note", "app", "apps/v1")


def sleeper(image: str = "img:1") -> dict[str, Any]:
    obj = deployment("note", "app", image)
    del obj["spec"]["replicas"]
    obj["metadata"]["annotations"] = {"mlstack.dev/left-to": "ann", "mlstack.dev/replicas-at-first": "0"}
    return obj


@pytest.fixture
def world(api: Any, tmp_path: Path) -> Iterator[World]:
    made = World(api.kubeconfig, tmp_path / "state", Patience())
    yield made
    client = made.client()
    for rid in (RID, *(ResourceId("ConfigMap", f"mlstack-inventory-{INSTANCE}-app", SYSTEM_NAMESPACE),)):
        client.delete(rid)


def found(world: World) -> dict[str, Any]:
    live = world.client().get(RID)
    assert live is not None
    return live


def pods(world: World) -> int:
    return int(found(world)["spec"]["replicas"])


def test_it_is_made_with_as_many_pods_as_it_says(world: World) -> None:
    assert world.up(stack("app", ns("app"), sleeper()))[1].ok
    assert pods(world) == 0
    assert world.up(stack("app", ns("app"), sleeper()))[0].actions == ()


@pytest.mark.parametrize("chosen", [0, 2])
def test_no_up_changes_what_users_chose(world: World, chosen: int) -> None:
    world.up(stack("app", ns("app"), sleeper()))
    world.client().patch(RID, {"spec": {"replicas": chosen}})
    plan, report = world.up(stack("app", ns("app"), sleeper("img:2")))
    assert report.ok and applied(plan) == ["note"]
    assert found(world)["spec"]["template"]["spec"]["containers"][0]["image"] == "img:2"
    assert pods(world) == chosen


def test_one_that_came_meanwhile_is_taken_as_it_is(world: World) -> None:
    """It was not there when the plan was made."""
    world.up(stack("app", ns("app")))

    def meanwhile(plan: Any) -> Any:
        client = world.client()
        client.create({**sleeper(), "spec": {**sleeper()["spec"], "replicas": 3}})
        return plan

    plan, report = world.up(stack("app", ns("app"), sleeper()), change=meanwhile)
    assert report.ok and applied(plan) == ["note"]
    assert pods(world) == 3
