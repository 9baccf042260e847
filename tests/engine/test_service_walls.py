"""Services of profiles on a real API server: none that the gateway would follow to somebody else's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client import ApiException
from serverobjects import apply_all

GOLDEN = Path(__file__).resolve().parents[2] / "stacks/profiles/1.0.0/golden/objects.yaml"
SPACE, EDITOR, CONTROLLER = "walled", "ann@example.org", "system:serviceaccount:knative-serving:controller"
EDIT = "mlstack-profile-edit-base"
ELSEWHERE = {"type": "ExternalName", "externalName": "notebook.bob.svc.cluster.local"}
ROLE = "rbac.authorization.k8s.io"


def binding(user: str, **ref: str) -> dict[str, Any]:
    subjects = [{"kind": "User", "name": user, "apiGroup": ROLE}]
    return {
        "metadata": {"name": "test-walls"},
        "roleRef": {"apiGroup": ROLE, "kind": "ClusterRole", **ref},
        "subjects": subjects,
    }


@pytest.fixture(scope="module")
def services(api) -> Iterator[Callable[[str], kubernetes.client.CoreV1Api]]:
    """Gives a user's way to the API: an editor's of a profile, or a controller's that makes Services everywhere."""
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    core, rights = kubernetes.client.CoreV1Api(admin), kubernetes.client.RbacAuthorizationV1Api(admin)
    core.create_namespace({"metadata": {"name": SPACE, "labels": {"mlstack.dev/profile": SPACE}}})
    wall = [
        one
        for one in yaml.safe_load_all(GOLDEN.read_text())
        if one["metadata"]["name"] in ("mlstack-profile-services", EDIT)
    ]
    assert len(wall) == 3
    apply_all(admin, wall)
    everywhere = {"apiGroups": [""], "resources": ["services"], "verbs": ["*"]}
    rights.create_cluster_role({"metadata": {"name": "test-walls"}, "rules": [everywhere]})
    rights.create_cluster_role_binding(binding(CONTROLLER, name="test-walls"))
    rights.create_namespaced_role_binding(SPACE, binding(EDITOR, name=EDIT))

    def of(user: str) -> kubernetes.client.CoreV1Api:
        client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
        client.set_default_header("Impersonate-User", user)
        return kubernetes.client.CoreV1Api(client)

    _in_force(of(EDITOR))
    yield of
    core.delete_namespace(SPACE)
    rights.delete_cluster_role_binding("test-walls")
    rights.delete_cluster_role("test-walls")
    policies = kubernetes.client.AdmissionregistrationV1Api(admin)
    policies.delete_validating_admission_policy_binding("mlstack-profile-services")
    policies.delete_validating_admission_policy("mlstack-profile-services")


def _in_force(editor: kubernetes.client.CoreV1Api) -> None:
    """An API server takes a moment to follow a new policy."""
    for _ in range(100):
        try:
            editor.create_namespaced_service(SPACE, service("early", externalIPs=["192.0.2.1"]), dry_run="All")
        except ApiException as error:
            if "externalIPs" in error.body:
                return
        time.sleep(0.1)
    raise AssertionError("the policy is not in force after 10 s")


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}], **spec}}


def test_editors_make_services_but_no_other_names_of_services_elsewhere(services) -> None:
    editor = services(EDITOR)
    editor.create_namespaced_service(SPACE, service("own"))
    with pytest.raises(ApiException, match="cannot stand for one elsewhere"):
        editor.create_namespaced_service(SPACE, service("other", **ELSEWHERE))
    with pytest.raises(ApiException, match="cannot stand for one elsewhere"):
        editor.patch_namespaced_service("own", SPACE, {"spec": ELSEWHERE})


def test_controllers_of_the_platform_make_them(services) -> None:
    made = services(CONTROLLER).create_namespaced_service(SPACE, service("route", **ELSEWHERE))
    assert made.spec.type == "ExternalName"
