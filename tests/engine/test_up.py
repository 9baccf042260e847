"""Whole runs against the API server in this process: apply, no-op, drift, prune, waits, failures, cancellation."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from world import INSTANCE, FakeImages, secret_value, stack

from mlstack.core.actions import Apply, Result, Wait
from mlstack.core.desired import StackInventory
from mlstack.core.errors import MlstackError
from mlstack.core.events import StepBlocked, StepFailed, StepWaiting
from mlstack.core.model import SYSTEM_NAMESPACE, ClusterFacts, ClusterState, ResourceId
from mlstack.core.recipe import Image
from mlstack.core.stackfile import BucketSpec, DatabaseSpec, SecretSpec
from mlstack.engine.inventory import read_inventories, write_inventory


def ns(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config(name, namespace, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(name, namespace, image="img:1", **pod):
    spec = {"containers": [{"name": "main", "image": image}], **pod}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    body = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def crd(kind, group):
    plural = kind.lower() + "s"
    names = {"kind": kind, "plural": plural}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [{"name": "v1", "served": True}]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


def thing(name, namespace):
    return {
        "apiVersion": "g.example/v1",
        "kind": "Thing",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"a": 1},
    }


def platform(value="1"):
    return (
        stack("base", ns("base"), crd("Thing", "g.example"), deployment("server", "base")),
        stack(
            "app",
            ns("app"),
            thing("t", "app"),
            config("c", "app", a=value),
            deployment("web", "app"),
            requires=("base",),
        ),
    )


def versions(fake):
    return {key: obj["metadata"]["resourceVersion"] for key, obj in fake.objects.items() if key[1] != "leases"}


def applied(plan):
    return sorted(str(action.object["metadata"]["name"]) for action in plan.actions if isinstance(action, Apply))


def test_a_platform_comes_up_and_a_second_run_changes_nothing(world, fake):
    plan, report = world.up(*platform())
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    assert fake.find("Thing", "t", "app") and fake.find("Deployment", "web", "app")
    before = versions(fake)
    fake.log.clear()
    plan, report = world.up(*platform())
    assert report.ok and plan.actions == () and len(plan.unchanged) == 7
    assert versions(fake) == before
    kinds = 6  # Namespace, CustomResourceDefinition, Deployment, Thing, ConfigMap, Secret
    assert len(fake.log) <= kinds + 5, fake.log


def test_no_lock_is_left(world, fake):
    world.up(*platform())
    assert not [key for key in fake.objects if key[1] == "leases"]
    assert not (world.state / "lock.json").exists()


def test_order_of_requests_follows_the_edges(world, fake):
    world.up(*platform())
    writes = [path for method, path, _ in fake.log if method == "PATCH"]

    def place(part):
        return next(index for index, path in enumerate(writes) if part in path)

    assert place("customresourcedefinitions") < place("/things/t")
    assert place("/deployments/server") < place("/deployments/web")
    assert place("mlstack-inventory-test-app") < place("/things/t")


def test_only_the_changed_object_is_applied(world, fake):
    world.up(*platform())
    before = versions(fake)
    plan, report = world.up(*platform("2"))
    assert report.ok and applied(plan) == ["c"]
    changed = {key[3] for key, version in versions(fake).items() if before.get(key) != version}
    assert changed == {"c", "mlstack-inventory-test-app"}


def test_a_field_changed_by_somebody_else_is_set_back(world, fake):
    world.up(*platform())
    world.client().patch(next(iter(plan_rids(world, fake, "ConfigMap"))), {"data": {"a": "edited"}})
    plan, report = world.up(*platform())
    assert report.ok and applied(plan) == ["c"]
    assert (
        next(action.why for action in plan.actions if isinstance(action, Apply))
        == "fields were changed by somebody else"
    )
    assert fake.find("ConfigMap", "c", "app")["data"] == {"a": "1"}
    assert world.up(*platform())[0].actions == ()


def plan_rids(world, fake, kind):
    from mlstack.core.model import ResourceId

    return [ResourceId.of(obj) for obj in list(fake.objects.values()) if obj.get("kind") == kind]


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


def test_secrets_are_generated_once_and_copied(world, fake):
    spec = SecretSpec(name="keys", keys={"accesskey": 20, "secretkey": 40}, literals={"user": "me"}, copies=["other"])
    stacks = (
        stack(
            "app",
            ns("app"),
            deployment("web", "app", volumes=[{"name": "v", "secret": {"secretName": "keys"}}]),
            secrets=(spec,),
        ),
        stack("other", ns("other")),
    )
    plan, report = world.up(*stacks)
    assert report.ok
    first = fake.find("Secret", "keys", "app")
    assert len(secret_value(first, "secretkey")) == 40 and secret_value(first, "user") == "me"
    assert fake.find("Secret", "keys", "other")["data"] == first["data"]
    assert secret_value(first, "secretkey") not in repr(world.events) + (world.state / "journal").read_text()
    needs = next(action.needs for action in plan.actions if action.id == "apply:Deployment/app/web")
    assert "secret:app/keys" in needs
    assert world.up(*stacks)[0].actions == ()
    key = next(key for key in fake.objects if key[1:] == ("secrets", "other", "keys"))
    del fake.objects[key]
    assert world.up(*stacks)[1].ok
    assert fake.find("Secret", "keys", "other")["data"] == first["data"]


def test_buckets_and_databases_are_made_before_the_workloads_that_ask(world, fake, monkeypatch):
    import contextlib

    monkeypatch.setattr(
        "mlstack.adapters.kube.KubeClient.forward", lambda _self, *_where: contextlib.nullcontext(1234), raising=True
    )
    store = {
        "namespace": "s3",
        "service": "s",
        "port": "9000",
        "secret": "root",
        "accessKeyField": "a",
        "secretKeyField": "b",
    }
    root = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "root", "namespace": "s3"},
        "data": {"a": "YQ==", "b": "Yg=="},
    }
    keys = SecretSpec(name="mine", keys={"accesskey": 20, "secretkey": 40, "password": 24})
    stacks = (
        stack("s3", ns("s3"), root, deployment("server", "s3")),
        stack(
            "app",
            ns("app"),
            deployment("web", "app"),
            requires=("s3",),
            secrets=(keys,),
            buckets=(BucketSpec(name="artifacts", secret="mine"),),
            databases=(DatabaseSpec(name="db", user="me", secret="mine"),),
            providers={"object-store": store, "database": {"x": "y"}},
        ),
    )
    plan, report = world.up(*stacks)
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    by_id = {action.id: action for action in plan.actions}
    bucket = next(key for key in by_id if key.startswith("bucket:"))
    assert "wait:Deployment/s3/server" in by_id[bucket].needs and "secret:app/mine" in by_id[bucket].needs
    assert {bucket, "database:db:me"} <= by_id["apply:Deployment/app/web"].needs
    assert {call[0] for call in world.store.calls} == {"bucket", "user", "database"}
    assert world.up(*stacks)[0].actions == ()


def test_a_failure_stops_new_work_and_names_what_it_blocks(world, fake):
    bad = config("bad", "nowhere")
    stacks = (stack("app", ns("app"), bad), stack("late", ns("late"), deployment("web", "late"), requires=("app",)))
    _plan, report = world.up(*stacks)
    by_id = {outcome.action: outcome for outcome in report.outcomes}
    failed = by_id["apply:ConfigMap/nowhere/bad"]
    assert failed.result is Result.FAILED and failed.error["code"] == "kube.not-found"
    assert by_id["apply:Deployment/late/web"].result is Result.BLOCKED
    assert by_id["apply:Deployment/late/web"].because == failed.action
    assert world.told(StepFailed) and world.told(StepBlocked)
    assert world.up(stack("app", ns("app"), config("bad", "app")), stacks[1])[1].ok


def slow_waits(seconds):
    def change(plan):
        return replace(
            plan, actions=tuple(replace(one, timeout=seconds) if isinstance(one, Wait) else one for one in plan.actions)
        )

    return change


def stuck_pod(name="web-1", namespace="app", app="web"):
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "main", "restartCount": 2, "state": waiting, "lastState": last}],
    }
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {"app": app}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def test_a_wait_tells_its_reason_and_its_timeout_shows_the_log(world, fake):
    fake.never_ready.add("web")
    fake.pod_logs["web-1"] = "starting\ncannot open /config: no such file\n"
    with fake.lock:
        fake.put(("v1", "pods", "app", "web-1"), stuck_pod(), "ADDED")
    began = time.monotonic()
    _plan, report = world.up(stack("app", ns("app"), deployment("web", "app")), change=slow_waits(2.0))
    assert 2 <= time.monotonic() - began < 10
    (failed,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert failed["code"] == "wait.timeout" and "Deployment/app/web" in failed["what"]
    assert "CrashLoopBackOff" in failed["why"] and "cannot open /config: no such file" in failed["why"]
    reasons = [(pending.resource, pending.reason) for event in world.told(StepWaiting) for pending in event.pending]
    assert ("Pod/app/web-1", "container main: CrashLoopBackOff, started 3 times, ended with exit code 3") in reasons


def test_a_deployment_that_stalled_before_this_run_may_still_become_ready(world, fake):
    """The run before ended while it was stuck; what held it up is mended, and this run waits instead of failing at once."""
    wanted, key = stack("app", ns("app"), deployment("web", "app")), ("apps/v1", "deployments", "app", "web")

    def say(status):
        with fake.lock:
            observed = {"observedGeneration": fake.objects[key]["metadata"]["generation"]}
            fake.put(key, {**fake.objects[key], "status": {**observed, **status}}, "MODIFIED")

    def mend():
        while not any("ProgressDeadline" in one.reason for event in world.told(StepWaiting) for one in event.pending):
            time.sleep(0.01)
        say({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})

    fake.never_ready.add("web")
    assert not world.up(wanted, change=slow_waits(1.0))[1].ok
    say({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]})
    thread = threading.Thread(target=mend, daemon=True)
    thread.start()
    assert world.up(wanted, change=slow_waits(20.0))[1].ok
    thread.join(timeout=5)


def test_a_failed_job_is_told_at_once(world, fake):
    fake.never_ready.add("once")
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "app"}, "spec": {}}

    def fail():
        while fake.find("Job", "once", "app") is None:
            time.sleep(0.01)
        key = ("batch/v1", "jobs", "app", "once")
        with fake.lock:
            condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
            fake.put(key, {**fake.objects[key], "status": {"conditions": [condition]}}, "MODIFIED")

    thread = threading.Thread(target=fail)
    thread.start()
    _plan, report = world.up(stack("app", ns("app"), job))
    thread.join()
    (failed,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert failed["code"] == "wait.failed" and "BackoffLimitExceeded" in failed["why"]


def test_many_waits_share_one_watch(world, fake):
    fake.ready_after = 0.3
    workloads = [deployment(f"web-{number}", "app") for number in range(20)]
    _plan, report = world.up(stack("app", ns("app"), *workloads))
    assert report.ok
    watches = [path for method, path, _ in fake.log if "watch=1" in path and "deployments" in path]
    assert len(watches) == 1


def test_an_older_state_in_the_watch_does_not_count_as_ready(world, fake):
    world.up(stack("app", ns("app"), deployment("web", "app")))
    fake.ready_after = 0.5
    began = time.monotonic()
    _plan, report = world.up(stack("app", ns("app"), deployment("web", "app", image="img:2")))
    assert report.ok and time.monotonic() - began >= 0.5


@pytest.mark.parametrize("obedient", [True, False])
def test_ctrl_c_ends_a_run_within_five_seconds(world, fake, obedient):
    began = threading.Event()
    ended = threading.Event()

    def work(_ref, cancelled):
        began.set()
        while not ended.is_set() and not (obedient and cancelled()):
            time.sleep(0.05)
        raise MlstackError("build.interrupted", "interrupted")

    world.images = FakeImages(work=work)
    fake.never_ready.add("web")
    app = stack(
        "app",
        ns("app"),
        deployment("web", "app"),
        images=(Image(ref="other:1", digests={"amd64": "sha256:" + "0" * 64}),),
    )

    def cancel():
        began.wait(10)
        time.sleep(0.3)
        world.cancelled.set()

    threading.Thread(target=cancel, daemon=True).start()
    start = time.monotonic()
    _plan, report = world.up(app)
    ended.set()
    assert time.monotonic() - start < (3 if obedient else 6.5)
    assert report.interrupted and not report.ok
    assert {outcome.because for outcome in report.outcomes if outcome.result is Result.BLOCKED} == {"interrupted"}
    assert not [key for key in fake.objects if key[1] == "leases"] or not obedient
    world.cancelled.clear()
    world.images, fake.never_ready = FakeImages(), set()
    fake.play_controller(("apps/v1", "deployments", "app", "web"))
    world.patience = replace(world.patience, later=5.0)
    assert world.up(app)[1].ok


def test_images_are_obtained_and_loaded_before_the_cluster_needs_them(world, fake):
    world.cluster = ClusterFacts(ClusterState.ABSENT)
    image = Image(ref="img:1", digests={"amd64": "sha256:" + "0" * 64})
    plan, report = world.up(stack("app", ns("app"), deployment("web", "app"), images=(image,)))
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    assert world.provider.asked == ["create"] and world.provider.loaded == {"img:1"}
    assert "load:img:1" in next(action.needs for action in plan.actions if action.id == "apply:Deployment/app/web")


def test_after_a_start_nothing_is_forgotten(world, fake):
    world.up(
        stack(
            "app",
            ns("app"),
            config("old", "app"),
            config("keep", "app"),
            secrets=(SecretSpec(name="k", keys={"a": 22}),),
        )
    )
    secret = fake.find("Secret", "k", "app")["data"]
    world.cluster = ClusterFacts(ClusterState.STOPPED)
    now = stack("app", ns("app"), config("keep", "app"), secrets=(SecretSpec(name="k", keys={"a": 22}),))
    _plan, report = world.up(now)
    assert report.ok and world.provider.asked == ["start"]
    assert fake.find("ConfigMap", "old", "app") and fake.find("Secret", "k", "app")["data"] == secret
    world.cluster = ClusterFacts(ClusterState.RUNNING)
    plan, report = world.up(now)
    assert report.ok and [action.id for action in plan.actions] == ["prune:ConfigMap/app/old", "inventory:app"]
    assert fake.find("ConfigMap", "old", "app") is None
    assert world.up(now)[0].actions == ()


def test_a_job_whose_template_changed_is_made_anew(world, fake):
    def job(image):
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once", "namespace": "app"},
            "spec": {"template": {"spec": {"containers": [{"name": "m", "image": image}]}}},
        }

    world.up(stack("app", ns("app"), job("a:1")))
    uid = fake.find("Job", "once", "app")["metadata"]["uid"]
    refused = []

    def fault(handler, path):
        if handler.command == "PATCH" and "/jobs/" in path and fake.find("Job", "once", "app") and not refused:
            refused.append(path)
            handler.trouble = ""
            handler.rfile.read(int(handler.headers["Content-Length"]))
            handler.headers.replace_header("Content-Length", "0")
            handler.refuse(422, "spec.template: Invalid value: field is immutable", "Invalid")
            return "answered"
        return ""

    fake.fault = fault
    _plan, report = world.up(stack("app", ns("app"), job("b:1")))
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    assert fake.find("Job", "once", "app")["metadata"]["uid"] != uid


def test_events_tell_of_each_step_once(world, fake):
    from mlstack.core.events import RunFinished, RunStarted, StepDone, StepStarted

    plan, _report = world.up(*platform())
    ids = [action.id for action in plan.actions]
    assert [step.id for step in world.told(RunStarted)[0].steps] == ids
    assert (
        sorted(event.step for event in world.told(StepStarted))
        == sorted(ids)
        == sorted(event.step for event in world.told(StepDone))
    )
    assert world.told(RunFinished)[0].outcome == "ok" and world.told(RunFinished)[0].done == len(ids)
    assert INSTANCE in world.told(RunStarted)[0].instance


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
