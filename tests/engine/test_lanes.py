"""How much runs at once, and what first."""

from __future__ import annotations

from mlstack.core.actions import Apply, CreateCluster, LoadImage, ObtainImage, Wait
from mlstack.core.model import ClusterSpec, ResourceId
from mlstack.engine.lanes import WIDTHS, Lanes, seconds_of


def image(name):
    return ObtainImage(id=f"image:{name}", title="", group="", ref=name)


def apply(name, kind="ConfigMap"):
    return Apply(id=f"apply:{name}", title="", group="", object={"kind": kind}, stack="")


def take_all(lanes):
    taken = []
    while (action := lanes.take()) is not None:
        taken.append(action.id)
    return taken


def test_one_compile_at_a_time_the_most_urgent_first():
    lanes = Lanes({"image:a": 1.0, "image:b": 5.0, "image:c": 3.0})
    for name in "abc":
        lanes.put(image(name))
    assert take_all(lanes) == ["image:b"]
    lanes.free("image:b")
    assert take_all(lanes) == ["image:c"]


def test_downloads_run_beside_a_compile():
    lanes = Lanes({})
    lanes.put(image("built"))
    for number in range(5):
        lanes.put(image(f"fetched-{number}"), fetched=True)
    taken = take_all(lanes)
    assert "image:built" in taken and len(taken) == 1 + WIDTHS["fetch"]


def test_the_cluster_is_made_beside_a_compile_and_applies_have_a_bound():
    lanes = Lanes({})
    lanes.put(image("a"))
    lanes.put(CreateCluster(id="cluster:create", title="", group="", spec=ClusterSpec("i", "1")))
    for number in range(20):
        lanes.put(apply(number))
    taken = take_all(lanes)
    assert {"image:a", "cluster:create"} <= set(taken) and len(taken) == 2 + WIDTHS["api"]


def test_waits_are_not_bounded():
    lanes = Lanes({})
    for number in range(500):
        lanes.put(Wait(id=f"wait:{number}", title="", group="", resource=ResourceId("Pod", "p")))
    assert len(take_all(lanes)) == 500


def test_unmeasured_steps_are_ranked_by_their_kind():
    wait = Wait(id="w", title="", group="", resource=ResourceId("Deployment", "d"))
    load = LoadImage(id="l", title="", group="", ref="r")
    assert seconds_of(image("a")) > seconds_of(wait) > seconds_of(load) > seconds_of(apply("x")) > 0


def test_measured_steps_are_ranked_by_what_they_took_but_not_applies():
    assert seconds_of(image("a"), 7.5) == 7.5
    assert seconds_of(apply("x"), 7.5) == seconds_of(apply("x")), "that was the server's load"


def test_definitions_that_nothing_waits_for_go_last():
    definition = Wait(id="w", title="", group="", resource=ResourceId("CustomResourceDefinition", "d"))
    assert seconds_of(apply("x", "CustomResourceDefinition"), 2.0) == seconds_of(definition, 2.0) == 0.0
