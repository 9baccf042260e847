"""Generated Secrets made anew: who reads them is started anew, once, also when a run was cut off in between."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from sampleobjects import applied, config, deployment, ns
from world import labelled, secret_value, stack

from mlstack.adapters.kube import KubeClient
from mlstack.core.actions import Apply, RecordInventory
from mlstack.core.desired import Wanted
from mlstack.core.model import ANNOTATION_SECRETS, SYSTEM_NAMESPACE, ClusterFacts, ClusterState, ResourceId
from mlstack.core.stackfile import BucketSpec, SecretSpec

KEYS = ResourceId("Secret", "keys", "app")


def reader(name, namespace):
    return deployment(name, namespace, volumes=[{"name": "v", "secret": {"secretName": "keys"}}])


def stacks(**more):
    spec = SecretSpec(
        name="keys", keys={"accesskey": 20, "secretkey": 40}, rotate=["secretkey"], copies=["other"], **more
    )
    return (
        stack("app", ns("app"), reader("web", "app"), deployment("alone", "app"), secrets=(spec,)),
        stack("other", ns("other"), reader("user", "other"), config("c", "other"), requires=("app",)),
    )


def marks(fake):
    found = {}
    for name, namespace in (("web", "app"), ("alone", "app"), ("user", "other")):
        one = fake.find("Deployment", name, namespace)
        notes = (one["metadata"].get("annotations") or {}).get(ANNOTATION_SECRETS)
        assert (one["spec"]["template"]["metadata"].get("annotations") or {}).get(ANNOTATION_SECRETS) == notes
        found[name] = notes
    return found


def renewed(world, *chosen):
    return world.up(wanted=Wanted(world.spec, chosen, renew=frozenset({KEYS})))


def test_new_values_reach_the_copies_and_every_pod_that_reads_them(world, fake):
    assert world.up(*stacks())[1].ok
    assert world.up(*stacks())[0].actions == (), "the marks are no drift"
    before, old = marks(fake), fake.find("Secret", "keys", "app")
    assert before["web"] and before["user"] and before["alone"] is None
    plan, report = renewed(world, *stacks())
    assert report.ok and applied(plan) == ["user", "web"]
    new, copy = fake.find("Secret", "keys", "app"), fake.find("Secret", "keys", "other")
    assert secret_value(new, "secretkey") != secret_value(old, "secretkey")
    assert secret_value(new, "accesskey") == secret_value(old, "accesskey"), "only what may be made anew is"
    assert copy["data"] == new["data"]
    after = marks(fake)
    assert after["web"] != before["web"] and after["user"] != before["user"]
    assert world.up(*stacks())[0].actions == ()
    texts = repr(world.events) + (world.state / "journal").read_text() + repr(after)
    assert secret_value(new, "secretkey") not in texts and secret_value(old, "secretkey") not in texts


def test_pods_wait_for_the_new_values(world, fake):
    world.up(*stacks())
    plan, _ = renewed(world, *stacks())
    applies = [action for action in plan.actions if isinstance(action, Apply)]
    assert applies and all("secret:app/keys" in action.needs for action in applies)
    assert all("is made anew" in action.why for action in applies)


def test_a_run_cut_off_after_the_secret_goes_on_with_the_pods(world, fake):
    world.up(*stacks())
    before, data = marks(fake), fake.find("Secret", "keys", "app")["data"]

    def only_the_secret(plan):
        return replace(plan, actions=tuple(action for action in plan.actions if action.id == "secret:app/keys"))

    world.up(wanted=Wanted(world.spec, stacks(), renew=frozenset({KEYS})), change=only_the_secret)
    assert fake.find("Secret", "keys", "app")["data"] != data and marks(fake) == before
    plan, report = world.up(*stacks())
    assert report.ok and applied(plan) == ["user", "web"]
    assert all("has changed" in action.why for action in plan.actions if isinstance(action, Apply))
    assert all(marks(fake)[name] != before[name] for name in ("web", "user"))


def test_a_copy_that_was_not_reached_is_made_like_the_rest(world, fake):
    world.up(*stacks())
    kube = world.client()
    kube.patch(
        KEYS, {"metadata": {"annotations": {"mlstack.dev/fingerprint": "renewed-1"}}, "data": {"secretkey": "bmV3"}}
    )
    plan, report = world.up(*stacks())
    action = next(action for action in plan.actions if action.id == "secret:app/keys")
    assert report.ok and "copies differ" in action.why
    assert fake.find("Secret", "keys", "other")["data"]["secretkey"] == "bmV3"
    assert world.up(*stacks())[0].actions == ()


def test_a_secret_deleted_by_hand_is_made_anew_everywhere(world, fake):
    world.up(*stacks())
    before = marks(fake)
    world.client().delete(KEYS)
    plan, report = world.up(*stacks())
    assert report.ok and applied(plan) == ["user", "web"]
    assert fake.find("Secret", "keys", "other")["data"] == fake.find("Secret", "keys", "app")["data"]
    assert all(marks(fake)[name] != before[name] for name in ("web", "user"))


def test_a_secret_written_by_hand_restarts_who_reads_it(world, fake):
    world.up(*stacks())
    world.client().patch(KEYS, {"data": {"secretkey": "bXkgb3du"}})
    plan, report = world.up(*stacks())
    assert report.ok and applied(plan) == ["web"], "the copy is another Secret"
    assert world.up(*stacks())[0].actions == ()


def test_a_bucket_gets_the_new_key_and_a_cut_off_run_does_not_forget_it(world, fake, monkeypatch):
    monkeypatch.setattr(KubeClient, "forward", lambda *_: contextlib.nullcontext(1))
    root = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "root", "namespace": "app"}}
    where = {
        "namespace": "app",
        "service": "s3",
        "port": "1",
        "secret": "root",
        "accessKeyField": "a",
        "secretKeyField": "b",
    }
    provided = {"object-store": where}
    first, second = stacks()
    first = replace(first, buckets=(BucketSpec(name="b", secret="keys"),), providers=provided)
    data = {"a": "eA==", "b": "eA=="}
    first = replace(first, objects=(*first.objects, labelled({**root, "data": data}, "app")))
    assert world.up(first, second)[1].ok
    assert world.up(first, second)[0].actions == ()
    plan, _ = renewed(world, first, second)
    order = [action.id for action in plan.actions]
    assert order.index("intent:app") < order.index("secret:app/keys") < order.index("bucket:b:app/keys")
    intent = next(action for action in plan.actions if isinstance(action, RecordInventory) and action.intent)
    assert intent.ensured == ()
    keys = fake.find("Secret", "keys", "app")
    assert ("user", secret_value(keys, "accesskey"), secret_value(keys, "secretkey"), "b") == world.store.calls[-1]


def test_only_generated_keys_may_be_made_anew():
    with pytest.raises(ValueError, match="rotate: b"):
        SecretSpec(name="k", keys={"a": 20}, rotate=["b"])
    with pytest.raises(ValueError, match="only generated"):
        SecretSpec(name="k", keys={"a": 20}, given={"b": "env:B"}, rotate=["a"])


def test_what_is_as_wanted_is_not_applied_again_after_a_stop(world, fake):
    world.up(*stacks())
    world.client().patch(ResourceId("ConfigMap", "c", "other"), {"data": {"by": "hand"}})
    before, since = marks(fake), len(fake.log)
    world.cluster = ClusterFacts(ClusterState.STOPPED)
    changed = (
        stacks()[0],
        stack("other", ns("other"), reader("user", "other"), config("c", "other", a="2"), requires=("app",)),
    )
    plan, report = world.up(*changed)
    assert report.ok and len(applied(plan)) == 6, "nothing is known of a cluster that does not run"
    writes = [path for method, path, _ in fake.log[since:] if method == "PATCH" and "fieldManager=mlstack&" in path]
    writes = [path for path in writes if SYSTEM_NAMESPACE not in path]
    assert [path for path in writes if "configmaps/c" in path] and len(writes) == 1, writes
    assert marks(fake) == before
    world.cluster = ClusterFacts(ClusterState.RUNNING)
    assert world.up(*changed)[0].actions == ()


def test_after_a_stop_pods_are_started_anew_when_a_secret_changed(world, fake):
    world.up(*stacks())
    before = marks(fake)
    world.client().delete(KEYS)
    world.cluster = ClusterFacts(ClusterState.STOPPED)
    assert world.up(*stacks())[1].ok
    after = marks(fake)
    assert after["web"] != before["web"] and after["user"] != before["user"]
