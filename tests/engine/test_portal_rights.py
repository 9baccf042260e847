"""The portal's account on a real API server: its rights, and the admission policy that confines what it may create."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from workflowdefinition import define, define_workflows, definition

from mlstack.adapters.catalog import DataCatalogue
from mlstack.core.exports import contexts
from mlstack.core.golden import GOLDEN_FACTS
from mlstack.core.render import Renderer
from mlstack.core.resolve import resolve
from mlstack.core.routes import with_platform
from mlstack.core.sample import fill_sample
from mlstack.core.samplefile import Sample
from mlstack.core.stackfile import Source
from mlstack.core.versions import newest

ROOT = Path(__file__).resolve().parents[2]


def rendered(profile: str) -> list[dict[str, Any]]:
    """The portal's objects where that profile is installed."""

    def nothing(source: Source, globs: Sequence[str]) -> Mapping[str, bytes]:
        raise AssertionError(f"the portal has templates only, not {source} {globs}")

    catalogue = DataCatalogue(ROOT)
    release = catalogue.release(newest(catalogue.releases()))
    selection = resolve(catalogue, release, profile, {})
    facts = with_platform(selection, GOLDEN_FACTS)
    exports = {chosen.entry.name: context["exports"] for chosen, context in contexts(selection, facts)}
    return Renderer(nothing).split(selection.named("portal"), facts, exports)[0]


OBJECTS = rendered("full")
OFFER = json.loads(next(obj for obj in OBJECTS if obj["kind"] == "ConfigMap")["data"]["offer.json"])
SAMPLES = {
    one["document"]["metadata"]["name"]: (Sample.model_validate(one["document"]), one["context"])
    for one in OFFER["platform"]["samples"]
}
EXPERIMENT = ("kubeflow.org", "v1beta1", "Experiment", "experiments")
JOB = ("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs")
FLOW = ("argoproj.io", "v1alpha1", "Workflow", "workflows")
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
    for kind in (EXPERIMENT, JOB):
        define(admin, definition(*kind))
    for obj in (one for one in OBJECTS if one["kind"] in RIGHTS):
        kubernetes.utils.create_from_dict(admin, obj)
    client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    client.set_default_header("Impersonate-User", ACCOUNT)
    deadline = time.monotonic() + 60
    # the definitions and the policies take effect some time after they are made
    while {create(client, "plain", {}, kind) for kind in (FLOW, EXPERIMENT, JOB)} != {422}:
        assert time.monotonic() < deadline, "a policy does not take effect"
        time.sleep(0.2)
    yield client
    for name in names:
        core.delete_namespace(name)


def create(
    client: kubernetes.client.ApiClient, namespace: str, spec: dict[str, Any], kind: tuple[str, ...] = FLOW
) -> int:
    """The status of an attempt that changes nothing: it is a dry run."""
    group, version, name, plural = kind
    body = {"apiVersion": f"{group}/{version}", "kind": name, "metadata": {"generateName": "x-"}, "spec": spec}
    objects = kubernetes.client.CustomObjectsApi(client)
    try:
        objects.create_namespaced_custom_object(group, version, namespace, plural, body, dry_run="All")
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


def made(name: str) -> dict[str, Any]:
    """The object of a sample with its defaults, as the portal makes it."""
    sample, context = SAMPLES[name]
    return fill_sample(sample, context, {key: param.default for key, param in sample.spec.params.items()})


OF_CLUSTER = [name for name, (sample, _) in SAMPLES.items() if sample.spec.runner != "pipeline"]


@pytest.mark.parametrize("name", OF_CLUSTER)
def test_every_sample_is_as_plain_as_the_policy_asks(portal, name: str) -> None:
    obj = made(name)
    kind = next(one for one in (FLOW, EXPERIMENT, JOB) if one[2] == obj["kind"])
    assert obj["apiVersion"] == f"{kind[0]}/{kind[1]}"
    assert [create(portal, space, obj["spec"], kind) for space in ("ml", "anna")] == [201, 201]
    assert [create(portal, space, obj["spec"], kind) for space in ("plain", "kube-system")] == [422, 422]


def test_samples_of_every_kind_were_tried() -> None:
    assert {
        "hello",
        "serve-iris",
        "serve-zero",
        "katib-random",
        "katib-tpe",
        "katib-trainjob",
        "train-distributed",
    } <= {*OF_CLUSTER}


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """The spec of a sample's object with another value at a path of keys."""
    spec = copy.deepcopy(made(name)["spec"])
    *way, last = path.split(".")
    here = spec
    for key in way:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    here[last] = value
    return dict(spec)


TEMPLATE = "trialTemplate.trialSpec.spec.template.spec"


@pytest.mark.parametrize(
    ("name", "path", "value", "status"),
    [
        ("katib-random", "maxTrialCount", 9, 201),
        ("katib-random", f"{TEMPLATE}.serviceAccountName", "default-editor", 422),
        ("katib-random", f"{TEMPLATE}.serviceAccount", "default-editor", 422),
        ("katib-random", "trialTemplate.trialSpec.kind", "Workflow", 422),
        ("katib-random", "trialTemplate.configMap", {"configMapName": "x"}, 422),
        ("katib-random", "nasConfig", {"graphConfig": {}}, 422),
        ("katib-random", "parameters.0.parameterType", "categorical", 422),
        ("katib-random", "trialTemplate.trialParameters.0.reference", "${trialSpec.Annotations[x]}", 422),
        ("katib-trainjob", "trialTemplate.trialSpec.spec.runtimePatches", [], 422),
        ("katib-trainjob", "trialTemplate.trialSpec.spec.runtimeRef.kind", "TrainingRuntime", 422),
        ("katib-trainjob", "trialTemplate.trialSpec.kind", "Job", 422),
    ],
)
def test_searches_name_no_account(portal, name: str, path: str, value: Any, status: int) -> None:
    assert create(portal, "anna", changed(name, path, value), EXPERIMENT) == status


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("trainer.numNodes", 7, 201),
        # what the API adds
        ("suspend", False, 201),
        ("managedBy", "trainer.kubeflow.org/trainjob-controller", 201),
        ("runtimeRef.kind", "ClusterTrainingRuntime", 201),
        ("runtimeRef.apiGroup", "trainer.kubeflow.org", 201),
        ("runtimeRef.kind", "TrainingRuntime", 422),
        ("runtimePatches", [{"manager": "x"}], 422),
        ("podTemplateOverrides", [], 422),
    ],
)
def test_trainings_name_no_account(portal, path: str, value: Any, status: int) -> None:
    assert create(portal, "anna", changed("train-distributed", path, value), JOB) == status


def test_steps_name_the_accounts_of_samples_only(portal) -> None:
    for account, status in (("model-deployer", 201), ("default-editor", 422), ("workflow", 422)):
        assert create(portal, "anna", {"templates": [{**PLAIN, "serviceAccountName": account}]}) == status


def test_it_asks_for_rights_of_others_and_acts_as_nobody_else(portal) -> None:
    asked = {"user": "ann@example.org", "resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "ml"}}
    api = kubernetes.client.AuthorizationV1Api(portal)
    assert api.create_subject_access_review({"spec": asked}).status.allowed is False
    for verb, resource in (("impersonate", "users"), ("delete", "workflows"), ("delete", "pods")):
        attributes = {"verb": verb, "resource": resource, "namespace": "anna"}
        asked = {"user": ACCOUNT, "resourceAttributes": attributes}
        assert api.create_subject_access_review({"spec": asked}).status.allowed is not True


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
