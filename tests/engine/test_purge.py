"""What deletes a profile's data: the bucket with the policy that let users into it, its key, its namespace."""

from __future__ import annotations

import contextlib

from world import INSTANCE, stack

from mlstack.adapters.kube import KubeClient
from mlstack.core.actions import Plan
from mlstack.core.plan_services import purge_actions
from mlstack.core.stackfile import BucketSpec, SecretSpec
from mlstack.engine.access import ClusterAccess
from mlstack.engine.lock import HostLock, identity

STORE = {
    "namespace": "spaces",
    "service": "s3",
    "port": "1",
    "secret": "b",
    "accessKeyField": "accesskey",
    "secretKeyField": "secretkey",
}


def test_the_bucket_goes_with_its_policy(world, fake, monkeypatch):
    monkeypatch.setattr(KubeClient, "forward", lambda *_: contextlib.nullcontext(1))
    spaces = stack(
        "spaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "spaces"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}},
        secrets=(SecretSpec(name="b", keys={"accesskey": 20, "secretkey": 40}),),
        buckets=(BucketSpec(name="b", secret="b"),),
        providers={"object-store": STORE},
    )
    assert world.up(spaces)[1].ok
    world.store.calls.clear()
    with HostLock(world.state, "purge"):
        access = ClusterAccess(world.client, INSTANCE, identity(world.state, "purge"))
        try:
            report = world.runner(access, {}).run(Plan(INSTANCE, "profiles remove", purge_actions(spaces, "b", "mine")))
        finally:
            access.close()
    assert report.ok
    assert world.store.calls == [("remove bucket", "b"), ("remove access", "b")]
    assert fake.find("Secret", "b", "spaces") is None and fake.find("Namespace", "mine") is None
