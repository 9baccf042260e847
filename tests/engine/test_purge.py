"""What deletes a profile's data: the bucket with the policy that let users into it, its key, its namespace."""

from __future__ import annotations

import contextlib

from sampleobjects import crd, deployment, ns, thing
from world import INSTANCE, stack

from mlstack.adapters.kube import KubeClient
from mlstack.core.actions import Plan
from mlstack.core.plan_services import purge_actions
from mlstack.core.stackfile import BucketSpec, SecretSpec
from mlstack.engine.access import ClusterAccess
from mlstack.engine.inventory import read_inventories
from mlstack.engine.lock import HostLock, identity

STORE = {
    "namespace": "spaces",
    "service": "s3",
    "port": "1",
    "secret": "b",
    "accessKeyField": "accesskey",
    "secretKeyField": "secretkey",
}


def spaces_stack():
    return stack(
        "spaces",
        ns("spaces"),
        ns("mine"),
        secrets=(SecretSpec(name="b", keys={"accesskey": 20, "secretkey": 40}),),
        buckets=(BucketSpec(name="b", secret="b"),),
        providers={"object-store": STORE},
    )


def purge(world, spaces):
    with HostLock(world.state, "purge"):
        access = ClusterAccess(world.client, INSTANCE, identity(world.state, "purge"))
        known = read_inventories(world.client(), INSTANCE)
        try:
            return world.runner(access, known).run(
                Plan(INSTANCE, "profiles remove", purge_actions(spaces, "b", "mine"))
            )
        finally:
            access.close()


def test_the_bucket_goes_with_its_policy(world, fake, monkeypatch):
    monkeypatch.setattr(KubeClient, "forward", lambda *_: contextlib.nullcontext(1))
    spaces = spaces_stack()
    assert world.up(spaces)[1].ok
    world.store.calls.clear()
    assert purge(world, spaces).ok
    assert world.store.calls == [("remove bucket", "b"), ("remove access", "b")]
    assert fake.find("Secret", "b", "spaces") is None and fake.find("Namespace", "mine") is None


def test_objects_nobody_looks_after_do_not_hold_the_namespace(world, fake, monkeypatch):
    monkeypatch.setattr(KubeClient, "forward", lambda *_: contextlib.nullcontext(1))
    spaces = spaces_stack()
    world.up(spaces, stack("app", ns("app"), crd("Thing", "g.example"), deployment("controller", "app")))
    for space in ("mine", "app"):
        world.client().apply(thing("t", space))
        fake.find("Thing", "t", space)["metadata"]["finalizers"] = ["g.example/tidy"]
    world.up(spaces)
    assert purge(world, spaces).ok
    assert "finalizers" not in fake.find("Thing", "t", "mine")["metadata"]
    assert fake.find("Thing", "t", "app")["metadata"]["finalizers"] == ["g.example/tidy"]
