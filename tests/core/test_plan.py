"""Plans from wanted and facts: what is in them, why, and in which order; what is never pruned (R13)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import crd, deployment, obj

from mlstack.core.actions import Apply, Delete, Prune, RecordInventory, Wait
from mlstack.core.desired import Facts, HostFacts, InventoryEntry, LiveObject, RenderedStack, StackInventory, Wanted
from mlstack.core.diff import fingerprint_of
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState, ResourceId
from mlstack.core.people import Account, User
from mlstack.core.plan import Abilities, HostEnd, plan_down, plan_start, plan_stop, plan_up
from mlstack.core.plan_prune import NEVER_PRUNED
from mlstack.core.recipe import Image
from mlstack.core.serviceactions import RevokeBucket
from mlstack.core.stackfile import BucketSpec, CertificateSpec, SecretSpec, WaitSpec

SPEC = ClusterSpec("i", "1.36")
READY_HOST = HostFacts(engine="28")
RUNNING, ABSENT = ClusterFacts(ClusterState.RUNNING), ClusterFacts(ClusterState.ABSENT)
DIGEST = {"amd64": "sha256:" + "0" * 64}


def stack(name, *objects, **more):
    return RenderedStack(name, more.pop("version", "1"), more.pop("namespace", "ns"), objects, **more)


def wanted(*stacks, **more):
    return Wanted(SPEC, stacks, **more)


def installed(*stacks, ready=True, **more):
    """Facts after a run that went well."""
    live, inventory = {}, {}
    for one in stacks:
        entries = []
        for item in one.objects:
            rid, fingerprint = ResourceId.of(item), fingerprint_of(item)
            live[rid] = LiveObject(rid, fingerprint, "owned", uid="u", ready=ready)
            entries.append(InventoryEntry(rid, fingerprint, "owned"))
        for spec in one.secrets:
            rid = ResourceId("Secret", spec.name, one.namespace)
            live[rid] = LiveObject(rid, "", "")
        ensured = tuple(f"bucket:{bucket.name}" for bucket in one.buckets)
        inventory[one.name] = StackInventory(one.name, one.version, tuple(entries), ensured)
    return Facts(more.pop("host", READY_HOST), more.pop("cluster", RUNNING), live, inventory, **more)


def ids(plan):
    return [action.id for action in plan.actions]


def needs(plan, action_id):
    return next(action for action in plan.actions if action.id == action_id).needs


APP = stack("app", obj("Namespace", "ns"), obj("ConfigMap", "c", "ns", data={"a": "1"}), deployment("web"))


def test_a_bare_host_gets_host_tools_image_cluster_then_everything():
    image = Image(ref="img:1", digests=DIGEST)
    plan = plan_up(
        wanted(replace(APP, images=(image,)), node_image="node:1", tools=("kind",)),
        Facts(HostFacts(changes=("install docker",)), ABSENT),
    )
    assert set(ids(plan)) >= {
        "host:prepare",
        "tool:kind",
        "image:node:1",
        "cluster:create",
        "image:img:1",
        "load:img:1",
    }
    assert needs(plan, "tool:kind") == needs(plan, "image:node:1") == needs(plan, "image:img:1") == {"host:prepare"}
    assert needs(plan, "cluster:create") >= {"tool:kind", "image:node:1"}
    assert needs(plan, "load:img:1") == {"image:img:1", "cluster:create"}
    assert needs(plan, "apply:Deployment/ns/web") >= {
        "load:img:1",
        "apply:Namespace/ns",
        "cluster:create",
        "intent:app",
    }
    assert needs(plan, "wait:Deployment/ns/web") >= {"apply:Deployment/ns/web"}
    assert all(action.why for action in plan.actions)


def test_what_is_cached_and_loaded_is_not_obtained_again():
    images = (Image(ref="in-node:1", digests=DIGEST), Image(ref="in-store:1", digests=DIGEST))
    facts = replace(
        installed(APP),
        cluster=replace(RUNNING, images=frozenset({"in-node:1"})),
        cached=frozenset({"in-store:1", "kind"}),
    )
    plan = plan_up(wanted(replace(APP, images=images), node_image="node:1", tools=("kind",)), facts)
    assert ids(plan) == ["load:in-store:1"]


def test_a_provider_that_loads_no_images_gets_none():
    image = Image(ref="img:1", digests=DIGEST)
    plan = plan_up(wanted(replace(APP, images=(image,))), Facts(HostFacts(), RUNNING), Abilities(False, False))
    assert not [one for one in ids(plan) if one.startswith(("image:", "load:", "host:", "cluster:"))]


def test_nothing_changed_is_an_empty_plan():
    plan = plan_up(wanted(APP), installed(APP))
    assert plan.actions == () and len(plan.unchanged) == 3


def test_a_workload_that_is_not_ready_is_waited_for_without_an_apply():
    assert ids(plan_up(wanted(APP), installed(APP, ready=False))) == ["wait:Deployment/ns/web"]


def test_one_changed_object_is_one_apply():
    changed = replace(APP, objects=(APP.objects[0], obj("ConfigMap", "c", "ns", data={"a": "2"}), APP.objects[2]))
    plan = plan_up(wanted(changed), installed(APP))
    assert ids(plan) == ["apply:ConfigMap/ns/c", "inventory:app"]
    assert next(action.why for action in plan.actions) == "changed"


def test_a_new_version_of_a_stack_is_recorded_even_when_its_objects_are_the_same():
    assert ids(plan_up(wanted(replace(APP, version="2")), installed(APP))) == ["inventory:app"]


def test_a_new_object_is_noted_as_ours_before_it_is_applied():
    more = replace(APP, objects=(*APP.objects, obj("ConfigMap", "new", "ns")))
    plan = plan_up(wanted(more), installed(APP))
    assert ids(plan) == ["intent:app", "apply:ConfigMap/ns/new", "inventory:app"]
    intent = plan.actions[0]
    assert isinstance(intent, RecordInventory) and intent.intent and len(intent.resources) == 4


def test_an_api_version_that_moved_on_is_no_prune():
    old = replace(APP, objects=(*APP.objects, obj("Thing", "t", "ns", "g.example/v1beta1")))
    new = replace(APP, objects=(*APP.objects, obj("Thing", "t", "ns", "g.example/v1")))
    assert not [one for one in ids(plan_up(wanted(new), installed(old))) if one.startswith("prune")]


def test_required_stacks_are_ready_before_workloads_but_not_before_configuration():
    base = stack("base", obj("Namespace", "b"), deployment("server", "b"), namespace="b")
    middle = stack("middle", obj("ConfigMap", "m", "b"), namespace="b", requires=("base",))
    app = replace(APP, requires=("middle",))
    plan = plan_up(wanted(base, middle, app), Facts(READY_HOST, RUNNING))
    assert "wait:Deployment/b/server" in needs(plan, "apply:Deployment/ns/web")
    assert "wait:Deployment/b/server" not in needs(plan, "apply:ConfigMap/ns/c")
    order = ids(plan)
    assert order.index("wait:Deployment/b/server") < order.index("apply:Deployment/ns/web")


def test_a_stack_that_provides_for_itself_gets_its_bucket_after_its_own_server():
    server = stack(
        "s3",
        obj("Namespace", "ns"),
        deployment("minio"),
        buckets=(BucketSpec(name="own"),),
        exports={"object-store": {"a": "b"}},
    )
    plan = plan_up(wanted(server), Facts(READY_HOST, RUNNING))
    assert "wait:Deployment/ns/minio" in needs(plan, "bucket:own")
    assert "bucket:own" not in needs(plan, "apply:Deployment/ns/minio")


def test_a_bucket_of_a_capability_nobody_provides_is_an_error():
    with pytest.raises(MlstackError) as caught:
        plan_up(wanted(stack("app", buckets=(BucketSpec(name="b"),))), Facts(READY_HOST, RUNNING))
    assert caught.value.code == "plan.provider" and "object-store" in caught.value.remedy


def test_what_was_ensured_stays_ensured_until_its_secret_is_made_anew():
    one = stack(
        "app",
        obj("Namespace", "ns"),
        buckets=(BucketSpec(name="b", secret="k"),),
        secrets=(SecretSpec(name="k", keys={"a": 20}),),
    )
    one = replace(one, providers={"object-store": {"a": "b"}})
    facts = installed(one)
    ensured = StackInventory("app", "1", facts.inventory["app"].entries, ("bucket:b:ns/k",))
    facts = replace(facts, inventory={"app": ensured})
    assert ids(plan_up(wanted(one), facts)) == []
    gone = replace(facts, live={rid: live for rid, live in facts.live.items() if rid.kind != "Secret"})
    plan = plan_up(wanted(one), gone)
    assert ids(plan) == ["intent:app", "secret:ns/k", "bucket:b:ns/k", "inventory:app"]
    intent = plan.actions[0]
    assert isinstance(intent, RecordInventory) and intent.ensured == (), (
        "cut off now, the next run makes its access anew"
    )


def test_the_access_to_a_bucket_that_is_wanted_no_more_is_taken_away():
    one = stack("app", obj("Namespace", "ns"), providers={"object-store": {"a": "b"}})
    facts = installed(one)
    before = StackInventory("app", "1", facts.inventory["app"].entries, ("bucket:shared", "bucket:b:other/k"))
    plan = plan_up(wanted(one), replace(facts, inventory={"app": before}))
    assert ids(plan) == ["revoke-bucket:b:other/k", "inventory:app"], "a bucket without a user of its own has no access"
    revoke = plan.actions[0]
    assert isinstance(revoke, RevokeBucket) and (revoke.bucket, str(revoke.secret)) == ("b", "Secret/other/k")
    assert needs(plan, "inventory:app") == {revoke.id}, "it is forgotten only once it is done"
    assert ids(plan_up(wanted(one), replace(facts, inventory={"app": replace(before, ensured=())}))) == []


ANN = User("ann", "ann@lab", ("readers",))


@pytest.mark.parametrize(
    ("there", "due"),
    [
        (None, False),
        ({}, True),
        ({"ann": Account(ANN, "up")}, False),
        ({"ann": Account(replace(ANN, groups=()), "up")}, True),
        ({"ann": Account(replace(ANN, email="a@b"), "command")}, True),
    ],
    ids=["nobody to ask", "lost", "as wanted", "other groups", "other e-mail"],
)
def test_a_user_is_looked_at_again_when_it_is_not_as_wanted(there, due):
    login = stack("login", obj("Namespace", "ns"), users=(ANN,), exports={"identity-provider": {"namespace": "ns"}})
    assert "user:ann" in ids(plan_up(wanted(login), Facts(READY_HOST, RUNNING))), "the first time in any case"
    facts = installed(login)
    known = StackInventory("login", "1", facts.inventory["login"].entries, ("user:ann",))
    plan = plan_up(wanted(login), replace(facts, inventory={"login": known}, accounts=there))
    assert ids(plan) == (["user:ann"] if due else [])


def test_webhooks_get_the_authority_and_wait_for_the_certificate():
    hook = obj("ValidatingWebhookConfiguration", "hook", api="admissionregistration.k8s.io/v1", webhooks=[])
    certificate = CertificateSpec(
        secret="tls", dns_names=["s.ns.svc"], ca_bundle_in=["ValidatingWebhookConfiguration/hook"]
    )
    server = deployment("server", pod={"volumes": [{"name": "t", "secret": {"secretName": "tls"}}]})
    plan = plan_up(
        wanted(stack("app", obj("Namespace", "ns"), hook, server, certificates=(certificate,))),
        Facts(READY_HOST, RUNNING),
    )
    by_id = {action.id: action for action in plan.actions}
    apply = by_id["apply:ValidatingWebhookConfiguration/hook"]
    assert isinstance(apply, Apply) and apply.ca_bundle and "certificate:ns/tls" in apply.needs
    assert "certificate:ns/tls" in by_id["apply:Deployment/ns/server"].needs


def test_waits_of_a_stack_name_a_condition():
    one = stack(
        "app",
        obj("Thing", "t", "ns", "g.example/v1"),
        waits=(WaitSpec(resource="Thing/t", condition="Synced", timeout=60),),
    )
    plan = plan_up(wanted(one), Facts(READY_HOST, RUNNING))
    wait = next(action for action in plan.actions if isinstance(action, Wait))
    assert (wait.condition, wait.timeout, wait.id) == ("Synced", 60, "wait:Thing.g.example/ns/t:Synced")
    with pytest.raises(MlstackError) as caught:
        plan_up(
            wanted(replace(one, waits=(WaitSpec(resource="Thing/x", condition="Synced"),))), Facts(READY_HOST, RUNNING)
        )
    assert caught.value.code == "plan.wait-target"


def test_one_object_in_two_stacks_is_an_error_but_a_namespace_is_shared():
    other = stack("other", obj("Namespace", "ns"), obj("ConfigMap", "d", "ns"))
    assert ids(plan_up(wanted(APP, other), Facts(READY_HOST, RUNNING))).count("apply:Namespace/ns") == 1
    with pytest.raises(MlstackError) as caught:
        plan_up(wanted(APP, replace(APP, name="again")), Facts(READY_HOST, RUNNING))
    assert caught.value.code == "plan.duplicate" and "app and again" in caught.value.what


STATES = {
    ClusterState.STOPPED: ["cluster:start"],
    ClusterState.RUNNING: [],
    ClusterState.ABSENT: ["cluster:create"],
}


@pytest.mark.parametrize(("state", "expected"), STATES.items(), ids=[state.value for state in STATES])
def test_the_cluster_is_brought_up_from_any_state(state, expected):
    facts = Facts(READY_HOST, ClusterFacts(state))
    assert [one for one in ids(plan_up(wanted(APP), facts)) if one.startswith("cluster")] == expected


def test_a_broken_cluster_is_replaced_only_when_it_was_never_finished():
    facts = Facts(READY_HOST, ClusterFacts(ClusterState.BROKEN, "no control plane"), half_made=True)
    plan = plan_up(wanted(APP), facts)
    assert needs(plan, "cluster:create") >= {"cluster:delete"}
    with pytest.raises(MlstackError) as caught:
        plan_up(wanted(APP), replace(facts, half_made=False))
    assert caught.value.code == "cluster.broken" and caught.value.exit_code is ExitCode.PREFLIGHT


@pytest.mark.parametrize(
    "make",
    [
        lambda facts: plan_up(wanted(APP), facts),
        lambda facts: plan_down("i", facts),
        lambda facts: plan_stop("i", facts),
        lambda facts: plan_start("i", facts),
    ],
    ids=["up", "down", "stop", "start"],
)
def test_a_foreign_cluster_is_never_touched(make):
    with pytest.raises(MlstackError) as caught:
        make(Facts(READY_HOST, ClusterFacts(ClusterState.FOREIGN)))
    assert caught.value.code == "cluster.foreign" and caught.value.exit_code is ExitCode.PREFLIGHT


def test_down_deletes_our_own_cluster_whole():
    plan = plan_down("i", installed(APP), host=HostEnd.UNDO)
    assert ids(plan) == ["cluster:delete", "host:undo"]
    assert plan_down("i", Facts(READY_HOST, ABSENT)).actions == ()


def test_down_with_purge_removes_what_an_absent_cluster_left_and_stops_an_engine_that_answers():
    plan = plan_down("i", Facts(READY_HOST, ABSENT), purge=True, host=HostEnd.STOP_ENGINE)
    assert [(one.id, one.needs) for one in plan.actions] == [
        ("cluster:delete", frozenset()),
        ("host:stop-engine", frozenset({"cluster:delete"})),
    ]
    dead = Facts(HostFacts(engine_installed=True), ABSENT)
    assert plan_down("i", dead, purge=True, host=HostEnd.STOP_ENGINE).actions == ()


def test_down_on_somebody_elses_cluster_goes_backwards_and_keeps_data():
    claim = obj("PersistentVolumeClaim", "data", "ns")
    one = replace(
        APP, objects=(*APP.objects, claim, crd("Thing", "g.example"), obj("Thing", "t", "ns", "g.example/v1"))
    )
    keep = plan_down("i", installed(one), Abilities(False, False))
    order = [one.removeprefix("delete:") for one in ids(keep) if one.startswith("delete:")]
    assert order == [
        "Thing.g.example/ns/t",
        "Deployment/ns/web",
        "ConfigMap/ns/c",
        "CustomResourceDefinition/things.g.example",
    ]
    assert any("--purge" in note for note in keep.notes)
    purge = plan_down("i", installed(one), Abilities(False, False), purge=True)
    assert ids(purge)[-1] == "delete:Namespace/mlstack-system"
    assert {"delete:PersistentVolumeClaim/ns/data", "delete:Namespace/ns"} <= set(ids(purge))
    assert all(action.purge for action in purge.actions if isinstance(action, Delete) and action.stack)


def test_what_takes_users_objects_along_goes_while_the_controller_of_their_finalizers_is_there():
    one = replace(APP, objects=(*APP.objects, crd("Thing", "g.example"), obj("Thing", "t", "ns", "g.example/v1")))
    purge = plan_down("i", installed(one), Abilities(False, False), purge=True)
    thing, definition, controller = (
        f"delete:{name}"
        for name in ("Thing.g.example/ns/t", "CustomResourceDefinition/things.g.example", "Deployment/ns/web")
    )
    assert {thing, definition} <= needs(purge, controller)
    assert thing in needs(purge, definition)


def test_images_that_pods_of_others_come_to_need_are_loaded_before_those_pods():
    """A volume provisioner starts helper pods of an image that only its ConfigMap names."""
    helper, server = Image(ref="helper:1", digests=DIGEST), Image(ref="server:1", digests=DIGEST)
    config = obj("ConfigMap", "c", "disk", data={"pod.yaml": 'image: "helper:1"'})
    disk = replace(stack("disk", config, deployment("provisioner", image="server:1")), images=(helper, server))
    plan = plan_up(
        wanted(disk, replace(stack("app", deployment("web")), requires=("disk",))), Facts(READY_HOST, RUNNING)
    )
    assert "load:helper:1" in needs(plan, "apply:Deployment/ns/web")
    assert "load:helper:1" not in needs(plan, "apply:Deployment/ns/provisioner")


def test_system_namespaces_are_never_deleted():
    one = stack("app", obj("Namespace", "kube-system"), obj("Namespace", "default"))
    assert "delete:Namespace/kube-system" not in ids(
        plan_down("i", installed(one), Abilities(False, False), purge=True)
    )


def test_start_starts_and_waits_and_applies_nothing():
    facts = Facts(HostFacts(engine_installed=True), ClusterFacts(ClusterState.STOPPED))
    assert ids(plan_start("i", facts, [APP])) == ["host:prepare", "cluster:start", "wait:Deployment/ns/web"]
    assert plan_start("i", installed(APP), [APP]).actions == ()
    assert plan_start("i", Facts(READY_HOST, ABSENT), [APP]).actions == ()


def test_stop_stops_only_what_runs():
    assert ids(plan_stop("i", installed(APP))) == ["cluster:stop"]
    assert plan_stop("i", Facts(READY_HOST, ABSENT)).actions == ()


def test_a_circle_between_stacks_is_told():
    first = stack("a", deployment("x"), requires=("b",))
    second = stack("b", deployment("y"), requires=("a",))
    with pytest.raises(MlstackError) as caught:
        plan_up(wanted(first, second), Facts(READY_HOST, RUNNING))
    assert caught.value.code == "plan.cycle" and "apply:Deployment/ns/x" in caught.value.why


KINDS = [
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("apps/v1", "Deployment"),
]
KINDS += [("g.example/v1", "Thing"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition")]
RIDS = st.builds(
    lambda kind, name, space: ResourceId(kind[1], name, space, kind[0]),
    st.sampled_from(KINDS),
    st.sampled_from("abcde"),
    st.sampled_from(["", "n"]),
)


def render(rids):
    return tuple(
        {
            **obj(rid.kind, rid.name, rid.namespace, rid.api_version),
            **(
                {"spec": {"names": {"kind": "X", "plural": "x"}, "group": rid.name, "versions": []}}
                if rid.kind.startswith("Custom")
                else {}
            ),
        }
        for rid in sorted(rids)
    )


@settings(max_examples=200, deadline=None)
@given(
    old=st.sets(RIDS), new=st.sets(RIDS, min_size=1), live=st.sets(RIDS), foreign=st.sets(RIDS), unowned=st.sets(RIDS)
)
def test_prune_deletes_only_what_the_last_inventory_owned(old, new, live, foreign, unowned):
    """R13: whatever is live, only owned, labelled, unwanted objects of prunable kinds are taken away."""
    facts = Facts(
        READY_HOST,
        RUNNING,
        {rid: LiveObject(rid, "f", "o", ours=rid not in foreign) for rid in live | unowned},
        {"app": StackInventory("app", "1", tuple(InventoryEntry(rid) for rid in sorted(old)))},
    )
    plan = plan_up(wanted(stack("app", *render(new))), facts)
    pruned = {action.resource for action in plan.actions if isinstance(action, Prune)}
    assert pruned <= old - new - foreign
    assert all(rid.kind not in NEVER_PRUNED for rid in pruned)
    assert pruned == {rid for rid in (old - new - foreign) & (live | unowned) if rid.kind not in NEVER_PRUNED}
    record = next(action for action in plan.actions if action.id == "inventory:app")
    assert set(record.resources) >= new and set(record.resources) <= new | old
    assert all(action.id in record.needs for action in plan.actions if isinstance(action, Prune))


@settings(max_examples=50, deadline=None)
@given(old=st.sets(RIDS, min_size=1))
def test_an_empty_render_is_refused(old):
    facts = Facts(
        READY_HOST, RUNNING, {}, {"app": StackInventory("app", "1", tuple(InventoryEntry(rid) for rid in old))}
    )
    for target in (wanted(), wanted(stack("app"))):
        with pytest.raises(MlstackError) as caught:
            plan_up(target, facts)
        assert caught.value.code == "plan.empty-render"


def test_the_same_inputs_give_the_same_plan():
    facts = Facts(READY_HOST, ABSENT)
    target = wanted(replace(APP, images=(Image(ref="img:1", digests=DIGEST),)), node_image="n:1")
    assert plan_up(target, facts) == plan_up(target, facts)
