"""Objects of addon ``notebook-controller`` on a real API server: which notebooks and Services are taken from whom, and what the
controller's account may do. A server of its own: admission policies act for a while after they are deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from apiserver import ApiServer, missing
from kubernetes.client import ApiException
from serverobjects import apply_all

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "addons/notebook-controller/1.11.0"
PROFILES = ROOT / "stacks/profiles/1.0.0"
ACCOUNT = "system:serviceaccount:notebook-controller:notebook-controller"
ANN, VIEWER, KNATIVE = "ann@lab", "bob@lab", "system:serviceaccount:knative-serving:controller"
NOTE = "notebooks.kubeflow.org/"
RULES = ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "RoleBinding")
RULES += tuple(f"{kind}AdmissionPolicy{end}" for kind in ("Validating", "Mutating") for end in ("", "Binding"))


def golden(entry: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((entry / "golden/objects.yaml").read_text())


def binding(name: str, role: str, user: str) -> dict[str, Any]:
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    who, what = {**group, "kind": "User", "name": user}, {**group, "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": name}, "roleRef": what, "subjects": [who]}


def notebook(name: str = "mine", labels: dict[str, str] | None = None, **notes: str) -> dict[str, Any]:
    """The README's notebook with other names."""
    text = (OWN / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    (found,) = (one for one in yaml.safe_load_all(text) if one["kind"] == "Notebook")
    metadata = {"name": name, "annotations": {NOTE + key.replace("_", "-"): value for key, value in notes.items()}}
    return {**found, "metadata": metadata | ({"labels": labels} if labels else {})}


def service(name: str = "mine", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


ELSEWHERE = {"type": "ExternalName", "externalName": "ml-pipeline.kubeflow.svc.cluster.local"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if absent := missing():
        pytest.skip(f"no {' and '.join(absent)} in MLSTACK_TEST_BIN or PATH")
    started = ApiServer(tmp_path_factory.mktemp("notebooks")).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def admin(server: ApiServer) -> kubernetes.client.ApiClient:
    client = kubernetes.config.new_client_from_config(str(server.kubeconfig))
    core, rbac = kubernetes.client.CoreV1Api(client), kubernetes.client.RbacAuthorizationV1Api(client)
    core.create_namespace({"metadata": {"name": "ann", "labels": {"mlstack.dev/profile": "ann"}}})
    core.create_namespace({"metadata": {"name": "shared"}})
    wanted = [one for one in golden(OWN) if one["kind"] in RULES]
    wanted += [one for one in golden(PROFILES) if one["kind"] == "ClusterRole" or one["kind"] in RULES[4:]]
    apply_all(client, wanted)
    for space in ("ann", "shared"):
        rbac.create_namespaced_role_binding(space, binding("edit", "mlstack-profile-edit-base", ANN))
        rbac.create_namespaced_role_binding(space, binding("notebooks", "mlstack-notebook-controller-edit", ANN))
    rbac.create_namespaced_role_binding("ann", binding("view", "mlstack-notebook-controller-view", VIEWER))
    rbac.create_cluster_role_binding(binding("knative", "cluster-admin", KNATIVE))
    return client


@pytest.fixture(scope="module")
def told(admin: kubernetes.client.ApiClient) -> Callable[..., str]:
    """Why an object is not taken from somebody (a dry run); empty where it is."""

    def ask(who: str, obj: dict[str, Any], space: str = "ann") -> str:
        try:
            made(admin, who, obj, space)
        except ApiException as error:
            return str(json.loads(error.body)["message"])
        return ""

    for _ in range(120):  # the server learns of its rules, and of the kind, a moment later
        if "own notebook" in ask(ANN, notebook("notebook")) and "stand for" in ask(ANN, service(**ELSEWHERE)):
            return ask
        time.sleep(0.5)
    raise AssertionError("the policies do not take effect")


def made(admin: kubernetes.client.ApiClient, who: str, obj: dict[str, Any], space: str = "ann") -> dict[str, Any]:
    """What the object would be when this user makes it."""
    client = kubernetes.client.ApiClient(admin.configuration, "Impersonate-User", who)
    kind = kubernetes.dynamic.DynamicClient(client).resources.get(api_version=obj["apiVersion"], kind=obj["kind"])
    found: dict[str, Any] = kind.create(body=obj, namespace=space, dry_run="All").to_dict()
    return found


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (notebook(http_headers_request_set='{"kubeflow-userid": "bob@lab"}'), "sets no headers"),
        (notebook(http_headers_request_set=""), "sets no headers"),
        (notebook(http_rewrite_uri="/apis/v2beta1/"), "is / or is not there"),
        (notebook("notebook"), "the profile's own notebook"),
        (notebook("a" * 53), "at most 52"),
        (notebook("a.b"), "begins with a letter"),
        (notebook("0a"), "begins with a letter"),
        ({**notebook(), "spec": {}}, "spec.template: Required"),
        ({**notebook(), "spec": {"template": {"spec": {"containers": []}}}}, "at least 1 item"),
        ({**notebook(), "spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}}, "image: Required"),
        (service(**ELSEWHERE), "cannot stand for one elsewhere"),
    ],
)
def test_what_opens_a_way_around_the_walls_is_refused(told: Callable[..., str], obj: dict[str, Any], why: str) -> None:
    assert why in told(ANN, obj)


@pytest.mark.parametrize(
    ("who", "obj", "space"),
    [
        (ANN, notebook(), "ann"),
        (ANN, {**notebook(), "apiVersion": "kubeflow.org/v1beta1"}, "ann"),
        (ANN, notebook("a" * 52, http_rewrite_uri="/"), "ann"),
        (ANN, notebook(server_type="jupyter"), "ann"),
        (ANN, service(ports=[{"port": 80}]), "ann"),
        (ANN, service(**ELSEWHERE), "shared"),
        (KNATIVE, service(**ELSEWHERE), "ann"),
        (ACCOUNT, service(ports=[{"port": 80}]), "ann"),
    ],
)
def test_the_rest_is_taken(told: Callable[..., str], who: str, obj: dict[str, Any], space: str) -> None:
    assert told(who, obj, space) == ""


def test_a_viewer_makes_none(told: Callable[..., str]) -> None:
    assert "cannot create resource" in told(VIEWER, notebook())


@pytest.mark.parametrize("labels", [None, {"team": "x"}, {"mlstack.dev/from": "all"}])
def test_a_notebook_is_for_the_gateway_alone(
    admin: kubernetes.client.ApiClient, told: Callable[..., str], labels: dict[str, str] | None
) -> None:
    assert told(ANN, notebook()) == ""
    found = made(admin, ANN, notebook(labels=labels))
    assert found["metadata"]["labels"] == {**(labels or {}), "mlstack.dev/from": "gateway"}
    assert found["spec"] == notebook()["spec"], "a pod's fields are kept as they come"


@pytest.mark.parametrize(
    ("verb", "group", "resource", "ann", "shared"),
    [
        ("list", "kubeflow.org", "notebooks", True, True),
        ("list", "", "services", True, True),
        ("watch", "networking.istio.io", "virtualservices", True, True),
        ("update", "kubeflow.org", "notebooks/status", True, False),
        ("create", "apps", "statefulsets", True, False),
        ("create", "networking.istio.io", "virtualservices", True, False),
        ("update", "", "services", True, False),
        ("delete", "apps", "statefulsets", False, False),
        ("create", "", "pods", False, False),
        ("list", "", "secrets", False, False),
        ("create", "kubeflow.org", "notebooks", False, False),
    ],
)
def test_the_controller_has_few_rights(
    admin: kubernetes.client.ApiClient, verb: str, group: str, resource: str, ann: bool, shared: bool
) -> None:
    plural, _, part = resource.partition("/")
    api = kubernetes.client.AuthorizationV1Api(admin)
    for space, allowed in (("ann", ann), ("shared", shared)):
        attributes = {"namespace": space, "verb": verb, "group": group, "resource": plural, "subresource": part}
        review = {"spec": {"user": ACCOUNT, "resourceAttributes": attributes}}
        assert api.create_subject_access_review(review).status.allowed is allowed, space
