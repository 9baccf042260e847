"""Whole runs against the API server in this process: apply, no-op, drift, secrets, services, failures, events."""

from __future__ import annotations

from sampleobjects import applied, config, deployment, ns, platform
from world import INSTANCE, secret_value, stack

from mlstack.core.actions import Apply, Result
from mlstack.core.events import StepBlocked, StepFailed
from mlstack.core.model import ClusterFacts, ClusterState, ResourceId
from mlstack.core.recipe import Image
from mlstack.core.stackfile import BucketSpec, DatabaseSpec, SecretSpec


def versions(fake):
    return {key: obj["metadata"]["resourceVersion"] for key, obj in fake.objects.items() if key[1] != "leases"}


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

    return [ResourceId.of(obj) for obj in list(fake.objects.values()) if obj.get("kind") == kind]


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


def test_copies_may_have_a_name_of_their_own(world, fake):
    keys = {"accesskey": 20, "secretkey": 40}
    spec = SecretSpec(name="keys-of-other", keys=keys, copies=["other", "app"], copy_name="well-known")
    reads = [{"name": "v", "secret": {"secretName": "well-known"}}]
    stacks = (
        stack("app", ns("app"), deployment("web", "app", volumes=reads), secrets=(spec,)),
        stack("other", ns("other")),
    )
    plan, report = world.up(*stacks)
    assert report.ok
    first = fake.find("Secret", "keys-of-other", "app")
    for namespace in ("other", "app"):
        assert fake.find("Secret", "well-known", namespace)["data"] == first["data"]
    assert fake.find("Secret", "keys-of-other", "other") is None
    needs = next(action.needs for action in plan.actions if action.id == "apply:Deployment/app/web")
    assert "secret:app/keys-of-other" in needs
    assert world.up(*stacks)[0].actions == ()


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
