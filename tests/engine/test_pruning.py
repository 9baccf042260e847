"""What a run takes away, and what it leaves: other's, data, definitions in use, other instances."""

from __future__ import annotations

import pytest
from sampleobjects import config, crd, deployment, ns, platform, thing
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
    assert any("things.g.example stays with 1 of its objects (app/users-own)" in note for note in plan.notes)


def test_objects_made_between_plan_and_prune_keep_their_definition(world, fake):
    world.up(stack("app", ns("app"), crd("Thing", "g.example"), config("keep", "app")))

    def somebody(plan):
        world.client().apply(thing("users-own", "app"))
        return plan

    _plan, report = world.up(stack("app", ns("app"), config("keep", "app")), change=somebody)
    kept = next(outcome for outcome in report.outcomes if outcome.action.startswith("prune:CustomResourceDefinition"))
    assert report.ok and not kept.changed and "1 objects" in kept.detail
    assert fake.find("CustomResourceDefinition", "things.g.example")


def controller():
    return stack("app", ns("app"), crd("Thing", "g.example"), deployment("controller", "app"))


def leave(world, fake):
    """A stack goes while a user has an object of its kind, which the controller has put a finalizer on."""
    base = stack("base", ns("base"))
    world.up(base, controller())
    world.client().apply(thing("mine", "app"))
    fake.find("Thing", "mine", "app")["metadata"]["finalizers"] = ["g.example/tidy"]
    assert world.up(base)[1].ok
    assert not fake.find("Deployment", "controller", "app") and fake.find("Thing", "mine", "app")
    return base


def test_a_definition_left_for_its_objects_goes_with_the_last_of_them(world, fake):
    base = leave(world, fake)
    definition = ResourceId.of(crd("Thing", "g.example"))
    plan, _report = world.up(base)
    assert not plan.actions and any("nothing looks after them until app is back" in note for note in plan.notes)
    world.client().delete(ResourceId.of(thing("mine", "app")))
    assert world.up(base)[1].ok
    assert fake.find(definition.kind, definition.name) is None
    assert definition not in [one.rid for one in read_inventories(world.client(), INSTANCE)["app"].entries]


def test_a_stack_that_comes_back_takes_its_definition_on(world, fake):
    base = leave(world, fake)
    plan, report = world.up(base, controller())
    assert report.ok and not any("stays with" in note for note in plan.notes)
    assert fake.find("Thing", "mine", "app")["metadata"]["finalizers"] == ["g.example/tidy"]


def test_nothing_waits_for_a_controller_that_is_gone(world, fake):
    leave(world, fake)
    world.down()
    assert "finalizers" not in fake.find("Thing", "mine", "app")["metadata"]


def test_the_controller_that_is_there_does_its_own_tidying(world, fake):
    world.up(controller())
    world.client().apply(thing("mine", "app"))
    fake.find("Thing", "mine", "app")["metadata"]["finalizers"] = ["g.example/tidy"]
    world.down()
    assert fake.find("Thing", "mine", "app")["metadata"]["finalizers"] == ["g.example/tidy"]


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
