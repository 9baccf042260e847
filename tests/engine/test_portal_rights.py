"""The portal's account on a real API server: its rights, and the admission policy that confines what it may create."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from workflowdefinition import define_workflows

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = list(yaml.safe_load_all((ROOT / "stacks/portal/1.0.0/golden/objects.yaml").read_text()))
RIGHTS = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
ACCOUNT = "system:serviceaccount:portal:portal"


@pytest.fixture(scope="module")
def portal(api) -> Iterator[kubernetes.client.ApiClient]:
    """A client that is the portal, once the policy is in force."""
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    core = kubernetes.client.CoreV1Api(admin)
    names = {"ml": {}, "anna": {"mlstack.dev/profile": "anna"}, "plain": {}, "portal": {}}
    for name, labels in names.items():
        core.create_namespace({"metadata": {"name": name, "labels": labels}})
    define_workflows(admin)
    for obj in (one for one in OBJECTS if one["kind"] in RIGHTS):
        kubernetes.utils.create_from_dict(admin, obj)
    client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    client.set_default_header("Impersonate-User", ACCOUNT)
    deadline = time.monotonic() + 60
    while create(client, "plain", {}) != 422:  # the definition and the policy take effect some time after they are made
        assert time.monotonic() < deadline, "the policy does not take effect"
        time.sleep(0.2)
    yield client
    for name in names:
        core.delete_namespace(name)


def create(client: kubernetes.client.ApiClient, namespace: str, spec: dict[str, Any]) -> int:
    """The status of an attempt that changes nothing: it is a dry run."""
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": "x-"}, "spec": spec}
    objects = kubernetes.client.CustomObjectsApi(client)
    try:
        objects.create_namespaced_custom_object("argoproj.io", "v1alpha1", namespace, "workflows", body, dry_run="All")
    except kubernetes.client.ApiException as error:
        return int(error.status)
    return 201


@pytest.mark.parametrize(
    ("namespace", "account", "status"),
    [
        ("ml", "", 201),
        ("ml", "workflow", 201),
        ("ml", "default", 422),
        ("ml", "default-editor", 422),
        ("anna", "", 201),
        ("anna", "workflow", 201),
        ("anna", "default-editor", 422),
        ("anna", "default", 422),
        ("plain", "", 422),
        ("kube-system", "", 422),
        ("kube-system", "default-editor", 422),
    ],
)
def test_runs_are_created_where_and_as_whom_users_may(portal, namespace: str, account: str, status: int) -> None:
    assert create(portal, namespace, {"serviceAccountName": account} if account else {}) == status


PLAIN = {"name": "main", "container": {"image": "x"}}


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"templates": [PLAIN]}, 201),
        ({"templates": [PLAIN, {**PLAIN, "serviceAccountName": "default"}]}, 422),
        ({"templates": [{**PLAIN, "executor": {"serviceAccountName": "default"}}]}, 422),
        ({"templates": [{**PLAIN, "podSpecPatch": "{}"}]}, 422),
        ({"podSpecPatch": "serviceAccountName: default"}, 422),
        ({"executor": {"serviceAccountName": "default"}}, 422),
        ({"templateDefaults": PLAIN}, 422),
        ({"workflowTemplateRef": {"name": "x"}}, 422),
    ],
)
def test_no_other_field_names_an_account(portal, spec: dict[str, Any], status: int) -> None:
    assert create(portal, "ml", spec) == status


def test_every_sample_is_as_plain_as_the_policy_asks(portal) -> None:
    config = next(obj for obj in OBJECTS if obj["kind"] == "ConfigMap" and obj["metadata"]["name"] == "portal")
    samples = json.loads(config["data"]["offer.json"])["platform"]["samples"]
    assert len(samples) > 3
    for sample in samples:
        document = sample["document"]
        assert create(portal, "ml", document["spec"]["object"]["spec"]) == 201, document["metadata"]["name"]


def test_others_are_not_touched_by_the_policy(portal, api) -> None:
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    assert create(admin, "plain", {"serviceAccountName": "anything"}) == 201


def test_it_reads_what_it_shows_and_no_secrets(portal) -> None:
    core = kubernetes.client.CoreV1Api(portal)
    core.list_pod_for_all_namespaces()
    core.list_namespace()
    kubernetes.client.AppsV1Api(portal).list_deployment_for_all_namespaces()
    kubernetes.client.RbacAuthorizationV1Api(portal).list_role_binding_for_all_namespaces()
    for forbidden in (
        lambda: core.list_namespaced_secret("ml"),
        lambda: core.list_namespaced_config_map("ml"),
        lambda: core.delete_namespace("plain"),
        lambda: core.create_namespaced_pod("ml", {"metadata": {"name": "x"}, "spec": {"containers": []}}),
    ):
        with pytest.raises(kubernetes.client.ApiException) as caught:
            forbidden()
        assert caught.value.status == 403
