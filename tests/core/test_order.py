"""Edges found in objects, phases, cycles, critical path."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import crd, deployment, obj

from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.order import CUSTOM_PHASE, Edge, critical_path, find_edges, images_used, phase, sorted_ids

RBAC = "rbac.authorization.k8s.io/v1"


def edges_of(objects, target):
    return {(str(edge.of), edge.ready) for edge in find_edges(objects)[ResourceId.of(target)]}


POD_CASES = {
    "secret volume": ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, obj("Secret", "s", "ns")),
    "config volume": ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, obj("ConfigMap", "c", "ns")),
    "projected": (
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]},
        obj("Secret", "s", "ns"),
    ),
    "claim": (
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}]},
        obj("PersistentVolumeClaim", "p", "ns"),
    ),
    "account": ({"serviceAccountName": "a"}, obj("ServiceAccount", "a", "ns")),
    "pull secret": ({"imagePullSecrets": [{"name": "s"}]}, obj("Secret", "s", "ns")),
    "priority": ({"priorityClassName": "p"}, obj("PriorityClass", "p", api="scheduling.k8s.io/v1")),
    "env from": (
        {"initContainers": [{"name": "i", "image": "x", "envFrom": [{"secretRef": {"name": "s"}}]}]},
        obj("Secret", "s", "ns"),
    ),
    "env value": (
        {
            "containers": [
                {
                    "name": "m",
                    "image": "x",
                    "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
                }
            ]
        },
        obj("ConfigMap", "c", "ns"),
    ),
}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(("pod", "needed"), POD_CASES.values(), ids=POD_CASES)
def test_a_workload_comes_after_what_its_pods_refer_to(pod, needed, kind):
    workload = deployment("d", pod=pod, kind=kind)
    assert (str(ResourceId.of(needed)), False) in edges_of([workload, needed], workload)


def test_an_optional_reference_and_one_of_another_namespace_are_no_edges():
    pod = {
        "volumes": [
            {"name": "v", "secret": {"secretName": "s", "optional": True}},
            {"name": "w", "configMap": {"name": "c"}},
        ]
    }
    workload = deployment("d", pod=pod)
    assert edges_of([workload, obj("Secret", "s", "ns"), obj("ConfigMap", "c", "other")], workload) == set()


def test_namespace_content_comes_after_it():
    namespace, config = obj("Namespace", "ns"), obj("ConfigMap", "c", "ns")
    assert edges_of([config, namespace], config) == {("Namespace/ns", False)}


def test_a_custom_resource_waits_for_its_definition_to_be_ready():
    thing = obj("Thing", "t", "ns", "g.example/v1")
    assert edges_of([thing, crd("Thing", "g.example")], thing) == {("CustomResourceDefinition/things.g.example", True)}
    assert edges_of([thing, crd("Thing", "other.example")], thing) == set()


def test_bindings_come_after_roles_and_before_the_workloads_of_their_accounts():
    role, binding = obj("Role", "r", "ns", RBAC), obj("RoleBinding", "b", "ns", RBAC)
    binding |= {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "a"}]}
    cluster_role, cluster_binding = obj("ClusterRole", "r", api=RBAC), obj("ClusterRoleBinding", "b", api=RBAC)
    cluster_binding |= {"roleRef": {"kind": "ClusterRole", "name": "r"}}
    cluster_binding |= {"subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "ns"}]}
    workload = deployment("d", pod={"serviceAccountName": "a"})
    everything = [workload, binding, role, cluster_binding, cluster_role]
    assert edges_of(everything, binding) == {("Role/ns/r", False)}
    assert edges_of(everything, cluster_binding) == {("ClusterRole/r", False)}
    assert edges_of(everything, workload) == {("RoleBinding/ns/b", False), ("ClusterRoleBinding/b", False)}


def webhook(name="hook", group="g.example", resources=("things",)):
    hook = {
        "clientConfig": {"service": {"name": "s", "namespace": "ns"}},
        "rules": [{"apiGroups": [group], "resources": list(resources)}],
    }
    return obj("ValidatingWebhookConfiguration", name, api="admissionregistration.k8s.io/v1", webhooks=[hook])


def test_webhooks_wait_for_their_servers_and_guarded_kinds_wait_for_the_webhooks():
    service = obj("Service", "s", "ns", spec={"selector": {"app": "d"}})
    server, other = deployment("d"), deployment("e")
    hook, thing = webhook(), obj("Thing", "t", "ns", "g.example/v1")
    everything = [thing, hook, server, other, service, crd("Thing", "g.example")]
    assert edges_of(everything, hook) == {("Service/ns/s", False), ("Deployment/ns/d", True)}
    assert ("ValidatingWebhookConfiguration/hook", False) in edges_of(everything, thing)
    assert edges_of([*everything[1:], webhook("x", "apps", ["deployments"])], server) == {("Service/ns/s", False)}


def test_an_api_service_waits_for_the_workload_behind_it():
    service = obj("Service", "s", "ns", spec={"selector": {"app": "d"}})
    api_service = obj(
        "APIService", "v1.m", api="apiregistration.k8s.io/v1", spec={"service": {"name": "s", "namespace": "ns"}}
    )
    assert edges_of([api_service, service, deployment("d")], api_service) == {
        ("Service/ns/s", False),
        ("Deployment/ns/d", True),
    }


def test_services_come_before_workloads_unless_links_are_off():
    service = obj("Service", "s", "ns", spec={"selector": {"app": "x"}})
    linked, unlinked = deployment("d"), deployment("e", pod={"enableServiceLinks": False})
    assert edges_of([service, linked], linked) == {("Service/ns/s", False)}
    assert edges_of([service, unlinked], unlinked) == set()


def test_storage_classes_come_before_claims_and_sets_that_name_them():
    storage = obj("StorageClass", "fast", api="storage.k8s.io/v1")
    claim = obj("PersistentVolumeClaim", "p", "ns", spec={"storageClassName": "fast"})
    workload = deployment("d", kind="StatefulSet")
    workload["spec"]["volumeClaimTemplates"] = [{"spec": {"storageClassName": "fast"}}]
    assert edges_of([storage, claim], claim) == {("StorageClass/fast", False)}
    assert edges_of([storage, workload], workload) == {("StorageClass/fast", False)}


def test_images_are_told_by_the_workloads_that_run_them():
    one, two = (
        deployment("d", image="a:1"),
        deployment("e", pod={"initContainers": [{"name": "i", "image": "b:1"}]}, image="a:1"),
    )
    used = images_used([one, two, obj("ConfigMap", "c", "ns")])
    assert {image: sorted(map(str, rids)) for image, rids in used.items()} == {
        "a:1": ["Deployment/ns/d", "Deployment/ns/e"],
        "b:1": ["Deployment/ns/e"],
    }


def test_phases_rise_from_namespaces_to_custom_resources():
    kinds = [
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "Deployment",
    ]
    phases = [phase(kind) for kind in kinds]
    assert phases == sorted(set(phases))
    assert phase("Thing") == CUSTOM_PHASE > max(phases)


def test_a_cycle_is_told_with_its_whole_path():
    with pytest.raises(MlstackError) as caught:
        sorted_ids({"a": ["b"], "b": ["c"], "c": ["a"], "d": []})
    assert caught.value.code == "plan.cycle"
    path = caught.value.why.split(" -> ")
    assert path[0] == path[-1] and set(path) == {"a", "b", "c"} and len(path) == 4


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_any_graph_without_cycles_respects_its_needs(size, chance: random.Random):
    needs = {str(number): [str(before) for before in range(number) if chance.random() < 0.2] for number in range(size)}
    order = sorted_ids(needs)
    assert sorted(order) == sorted(needs)
    place = {key: index for index, key in enumerate(order)}
    assert all(place[before] < place[key] for key, before_all in needs.items() for before in before_all)


def test_the_critical_path_counts_the_longest_chain_behind_a_step():
    needs = {"image": [], "load": ["image"], "apply": ["load"], "other": []}
    assert critical_path(needs, {"image": 10, "load": 2, "apply": 1, "other": 5}) == {
        "image": 13,
        "load": 3,
        "apply": 1,
        "other": 5,
    }


def test_edges_are_values():
    rid = ResourceId("Secret", "s", "ns")
    assert Edge(rid) == Edge(rid) != Edge(rid, ready=True)
