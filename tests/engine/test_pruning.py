"""What a run takes away, and what it leaves: other's, data, definitions in use, other instances."""

from __future__ import annotations

import pytest
from sampleobjects import config, crd, ns, platform, thing
from world import INSTANCE, stack

from mlstack.core.desired import StackInventory
from mlstack.core.errors import MlstackError
from mlstack.core.model import SYSTEM_NAMESPACE, ResourceId
from mlstack.engine.inventory import read_inventories, write_inventory


def test_what_is_no_longer_wanted_goes_but_data_and_definitions_in_use_stay(world, fake):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "app"},
        "spec": {},
    }
    world.up(stack("app", ns("app"), crd("Thing", "g.example"), config("keep", "app"), config("old", "app"), claim))
    world.client().apply(thing("users-own", "app"))
    plan, report = world.up(stack("app", config("keep", "app")))
    assert report.ok
    assert fake.find("ConfigMap", "old", "app") is None
    assert (
        fake.find("ConfigMap", "keep", "app")
        and fake.find("PersistentVolumeClaim", "data", "app")
        and fake.find("Namespace", "app")
    )
    assert fake.find("CustomResourceDefinition", "things.g.example")
    assert any("PersistentVolumeClaim/app/data" in note for note in plan.notes)
    kept = next(outcome for outcome in report.outcomes if outcome.action.startswith("prune:CustomResourceDefinition"))
    assert not kept.changed and "1 objects" in kept.detail


def test_an_object_that_lost_our_label_is_not_pruned(world, fake):
    world.up(stack("app", ns("app"), config("keep", "app"), config("old", "app")))
    fake.find("ConfigMap", "old", "app")["metadata"]["labels"] = {}
    _plan, report = world.up(stack("app", ns("app"), config("keep", "app")))
    assert report.ok and fake.find("ConfigMap", "old", "app")


def test_an_object_taken_over_between_plan_and_prune_stays(world, fake):
    world.up(stack("app", ns("app"), config("keep", "app"), config("old", "app")))

    def take_over(plan):
        fake.find("ConfigMap", "old", "app")["metadata"]["labels"]["mlstack.dev/stack"] = "other"
        return plan

    _plan, report = world.up(stack("app", ns("app"), config("keep", "app")), change=take_over)
    assert report.ok and fake.find("ConfigMap", "old", "app")


def test_an_empty_render_is_refused(world, fake):
    world.up(*platform())
    count = len(fake.objects)
    for stacks in ((), (stack("base"), platform()[1])):
        with pytest.raises(MlstackError) as caught:
            world.up(*stacks)
        assert caught.value.code == "plan.empty-render"
    assert len(fake.objects) == count


def test_a_stack_that_is_left_out_goes_with_its_inventory(world, fake):
    world.up(*platform())
    _plan, report = world.up(platform()[0])
    assert report.ok and fake.find("Deployment", "web", "app") is None and fake.find("Thing", "t", "app") is None
    assert fake.find("Namespace", "app"), "a namespace may hold data"
    world.up(*platform())
    assert fake.find("Deployment", "web", "app")


def test_down_leaves_the_inventories_of_another_instance_in_the_same_cluster(world):
    world.up(stack("app", ns("app"), config("c", "app", a="1")))
    write_inventory(world.client(), "other", StackInventory("app", "1", (), ("bucket:x",)))
    assert world.down().ok
    kube = world.client()
    assert set(read_inventories(kube, "other")) == {"app"} and not read_inventories(kube, INSTANCE)
    assert kube.get(ResourceId("Namespace", "app")) is None
    assert kube.get(ResourceId("Lease", f"mlstack-{INSTANCE}", SYSTEM_NAMESPACE, "coordination.k8s.io/v1")) is None


def test_down_of_the_only_instance_removes_its_namespace(world):
    world.up(stack("app", ns("app"), config("c", "app", a="1")))
    assert world.down().ok
    assert world.client().get(ResourceId("Namespace", SYSTEM_NAMESPACE)) is None
