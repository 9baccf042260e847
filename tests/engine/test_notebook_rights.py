"""Notebooks on a real API server: what their accounts may do, and that sleep and authority outlive the next `up`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client import ApiException
from serverobjects import apply_all
from workflowdefinition import definition

from mlstack_notebooks.follow import Follower
from mlstack_notebooks.kube import Kube
from mlstack_notebooks.site import read_site
from mlstack_pod.kube import KubeError

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = definition("networking.istio.io", "v1", "VirtualService", "virtualservices")
MADE = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "StatefulSet")
EDITOR = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "editor", "namespace": "ann"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "mlstack-profile-edit-base"},
    "subjects": [{"kind": "ServiceAccount", "name": "default-editor", "namespace": "ann"}],
}


def golden(stack: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "stacks" / stack / "1.0.0/golden/objects.yaml").read_text()))


@dataclass
class House:
    """The objects of the stack in a cluster. up: applies them, as `mlstack up` does."""

    admin: kubernetes.client.ApiClient
    up: Callable[[], None]
    program: Kube
    editor: Kube

    def replicas(self) -> int:
        found = kubernetes.client.AppsV1Api(self.admin).read_namespaced_stateful_set("notebook", "ann")
        return int(found.spec.replicas)


@pytest.fixture(scope="module")
def house(api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    admin = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    core = kubernetes.client.CoreV1Api(admin)
    kubernetes.client.ApiextensionsV1Api(admin).create_custom_resource_definition(DEFINITION)
    for name in ("ann", "notebooks", "other"):
        core.create_namespace({"metadata": {"name": name}})
    objects = [one for one in golden("notebooks") if one["kind"] in MADE]
    objects += [
        one
        for one in golden("profiles")
        if one["metadata"]["name"] in ("mlstack-profile-edit-base", "default-editor")
        and one["kind"] in ("ClusterRole", "ServiceAccount")
    ]

    def up() -> None:
        apply_all(admin, [*objects, EDITOR])

    def account(namespace: str, name: str) -> Kube:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = core.create_namespaced_service_account_token(name, namespace, body).status.token
        directory = tmp_path_factory.mktemp(name)
        (directory / "token").write_text(token)
        (directory / "ca.crt").write_bytes((api.directory / "ca.crt").read_bytes())
        return Kube(f"https://127.0.0.1:{api.port}", directory)

    up()
    yield House(admin, up, account("notebooks", "notebooks"), account("ann", "default-editor"))
    for name in ("ann", "notebooks", "other"):
        core.delete_namespace(name)


def settings() -> str:
    name = ("ConfigMap", "notebooks", "notebooks")
    found = [one for one in golden("notebooks") if (one["kind"], *_name(one)) == name]
    return str(found[0]["data"]["settings.json"])


def _name(one: dict[str, Any]) -> tuple[str, str]:
    return one["metadata"].get("namespace", ""), one["metadata"]["name"]


def test_a_notebook_puts_itself_to_sleep_and_no_up_wakes_it(house: House) -> None:
    assert house.replicas() == 1, "it starts awake"
    house.editor.scale("ann", 0)
    house.up()
    assert house.replicas() == 0
    house.program.scale("ann", 1)
    house.up()
    assert house.replicas() == 1


def test_the_program_writes_its_routes_and_the_authority_which_outlives_an_up(house: House, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    follower = Follower(house.program, read_site(settings()), tmp_path / "ca.crt")
    version = follower.read()
    assert follower.synced.is_set()
    custom = kubernetes.client.CustomObjectsApi(house.admin)
    place = ("networking.istio.io", "v1", "notebooks", "virtualservices", "notebooks")
    routes = custom.get_namespaced_custom_object(*place)["spec"]["http"]
    assert [one["match"][0]["uri"]["prefix"] for one in routes] == ["/notebooks/"]
    house.up()
    core = kubernetes.client.CoreV1Api(house.admin)
    assert core.read_namespaced_config_map("platform-authority", "ann").data == {"ca.crt": "PEM"}
    apps = kubernetes.client.AppsV1Api(house.admin)
    apps.patch_namespaced_stateful_set_status("notebook", "ann", {"status": {"replicas": 1, "readyReplicas": 1}})
    changes = house.program.watch("apis/apps/v1/statefulsets", {"resourceVersion": version}, 5)
    assert any((obj["status"] or {}).get("readyReplicas") for _, obj in changes)
    follower.read()
    routes = custom.get_namespaced_custom_object(*place)["spec"]["http"]
    assert [one["match"][0]["uri"]["prefix"] for one in routes] == ["/notebooks/ann/", "/notebooks/"]


def test_the_program_may_do_nothing_else(house: House) -> None:
    core = kubernetes.client.CoreV1Api(house.admin)
    core.create_namespaced_config_map("ann", {"metadata": {"name": "theirs"}, "data": {"a": "b"}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "c"}}
    refused: list[Callable[[], object]] = [
        lambda: house.program.get("api/v1/namespaces/ann/secrets"),
        lambda: house.program.get("api/v1/namespaces/ann/configmaps/theirs"),
        lambda: house.program.apply("api/v1/namespaces/ann/configmaps/theirs", body),
        lambda: house.program.scale("other", 1),
        lambda: house.editor.scale("other", 0),
        lambda: house.program.get("api/v1/namespaces/other/pods"),
    ]
    for one in refused:
        with pytest.raises(KubeError) as caught:
            one()
        assert caught.value.status == 403
    assert house.program.get("api/v1/namespaces/ann/pods") is not None, "where it may, it can"


def test_the_golden_objects_are_taken_by_the_cluster(house: House) -> None:
    core, apps = kubernetes.client.CoreV1Api(house.admin), kubernetes.client.AppsV1Api(house.admin)
    claims = [one for one in golden("notebooks") if one["kind"] in ("PersistentVolumeClaim", "Service")]
    for one in claims:
        space = one["metadata"]["namespace"]
        make = (
            core.create_namespaced_service
            if one["kind"] == "Service"
            else core.create_namespaced_persistent_volume_claim
        )
        try:
            make(space, one, dry_run="All", field_validation="Strict")
        except ApiException as error:
            raise AssertionError(f"{one['kind']} {_name(one)}: {error.body}") from None
    (sets,) = [one for one in golden("notebooks") if one["kind"] == "StatefulSet"]
    renamed = {**sets, "metadata": {**sets["metadata"], "name": "again"}}
    assert apps.create_namespaced_stateful_set("ann", renamed, dry_run="All", field_validation="Strict")
