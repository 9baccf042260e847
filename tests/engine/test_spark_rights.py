"""Spark applications on a real API server: what would use the operator's rights is refused, a driver makes executors."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client import ApiException

ADDON = Path(__file__).resolve().parents[2] / "addons/spark-operator/2.5.2"
GROUP, VERSION, SPACE = "sparkoperator.k8s.io", "v1beta2", "spark-home"
OPERATOR, DRIVER = "system:serviceaccount:spark-operator:spark-operator", f"system:serviceaccount:{SPACE}:spark"
RULES = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def definition(kind: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": kind, "plural": f"{kind.lower()}s"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.lower()}s.{GROUP}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def golden(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((ADDON / "golden" / name).read_text())


def changed(name: str = "mine", drop: str = "", executor: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The sample's application with other fields. drop: a field that it has not; executor: fields of its executor."""
    (app,) = copy.deepcopy(list(golden("samples.yaml")))
    app["metadata"] = {"name": name}
    app["spec"] |= spec
    app["spec"].pop(drop, None)
    app["spec"]["executor"] |= executor or {}
    return app


def scheduled(**spec: Any) -> dict[str, Any]:
    app = changed(**spec)
    template = {"schedule": "@every 1h", "template": app["spec"]}
    return {**app, "kind": "ScheduledSparkApplication", "spec": template}


def refused(client: kubernetes.client.ApiClient, app: dict[str, Any]) -> str:
    """Why the application is not taken; empty where it is."""
    api = kubernetes.client.CustomObjectsApi(client)
    try:
        plural = f"{app['kind'].lower()}s"
        api.create_namespaced_custom_object(GROUP, VERSION, SPACE, plural, app, dry_run="All")
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


@pytest.fixture(scope="module")
def admin(api) -> Iterator[kubernetes.client.ApiClient]:
    client = kubernetes.config.new_client_from_config(str(api.kubeconfig))
    extensions, core = kubernetes.client.ApiextensionsV1Api(client), kubernetes.client.CoreV1Api(client)
    kinds = [definition(kind) for kind in ("SparkApplication", "ScheduledSparkApplication")]
    for kind in kinds:
        extensions.create_custom_resource_definition(kind)
    core.create_namespace({"metadata": {"name": SPACE}})
    core.create_namespaced_service_account(SPACE, {"metadata": {"name": "spark"}})
    bindings = [
        binding("mlstack-spark-driver", "spark", SPACE),
        binding("mlstack-spark-submit", "spark-operator", "spark-operator"),
    ]
    made = [one for one in golden("objects.yaml") if one["kind"] in RULES] + bindings
    dynamic = kubernetes.dynamic.DynamicClient(client)
    for one in made:
        where = dynamic.resources.get(api_version=one["apiVersion"], kind=one["kind"])
        where.create(body=one, namespace=one["metadata"].get("namespace"))
    for _ in range(120):  # the server learns of its rules a moment later
        if refused(client, changed(mode="client")) and pod_refused(client, {}):
            break
        time.sleep(0.5)
    yield client
    for one in made:
        where = dynamic.resources.get(api_version=one["apiVersion"], kind=one["kind"])
        where.delete(name=one["metadata"]["name"], namespace=one["metadata"].get("namespace"))
    for kind in kinds:
        extensions.delete_custom_resource_definition(kind["metadata"]["name"])


def binding(role: str, account: str, space: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": SPACE},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": space}],
    }


TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (changed(mode="client"), "mode: cluster"),
        (changed(drop="mode"), "mode: cluster"),
        (scheduled(mode="client"), "mode: cluster"),
        (changed(drop="mainApplicationFile"), "local:///"),
        (changed(mainApplicationFile=f"file://{TOKEN}"), "local:///"),
        (changed(mainApplicationFile="--deploy-mode"), "local:///"),
        (changed(deps={"files": [f"file://{TOKEN}"]}), "deps are files"),
        (changed(deps={"jars": [f"local:///a.jar,{TOKEN}"]}), "deps are files"),
        (changed(deps={"packages": ["a:b:1"]}), "fetched by the operator"),
        (changed(sparkConf={"spark.kubernetes.namespace": "kube-system"}), "spark.kubernetes.namespace"),
        (changed(sparkConf={"spark.master": "local"}), "spark.master"),
        (changed(sparkConf={"spark.submit.deployMode": "client"}), "spark.submit.deployMode"),
        (changed(sparkConf={"spark.kubernetes.authenticate.driver.oauthTokenFile": TOKEN}), "oauthTokenFile"),
        (changed(sparkConf={"spark.kubernetes.kerberos.krb5.path": TOKEN}), "krb5.path"),
        (changed(sparkConf={"spark.kerberos.keytab": TOKEN}), "spark.kerberos.keytab"),
        (changed(sparkConf={"spark.kubernetes.file.upload.path": "s3a://x"}), "upload.path"),
        (changed(sparkConf={"spark.kubernetes.driver.podTemplateFile": TOKEN}), "podTemplateFile"),
        (changed(sparkConf={"spark.kubernetes.driver.pod.featureSteps": "a.B"}), "featureSteps"),
        (changed(sparkConf={"spark.jars.ivySettings": TOKEN}), "ivySettings"),
        (changed(sparkConf={"spark.hadoop.hadoop.security.group.mapping": "a.B"}), "group.mapping"),
        (changed(sparkConf={"spark.sql.x\nspark.kubernetes.namespace": "b"}), "sparkConf has"),
        (changed(sparkConf={"spark.sql.x=1 spark.master": "b"}), "sparkConf has"),
        (scheduled(sparkConf={"spark.kubernetes.namespace": "kube-system"}), "spark.kubernetes.namespace"),
        (changed(hadoopConf={"hadoop.security.group.mapping": "a.B"}), "hadoopConf has"),
        (changed(proxyUser="root"), "proxyUser"),
        (changed(volumes=[{"name": "a", "emptyDir": {}}]), "volumes"),
        (changed(driver={"cores": 1}), "driver.template and executor.template"),
        (changed(executor={"tolerations": []}), "acts on tolerations of"),
        (changed(executor={"template": {"metadata": {"namespace": "kube-system"}}}), "where the application is"),
        (changed("a" * 47), "at most 46"),
        (changed("0-mine"), "begins with a letter"),
    ],
)
def test_what_would_use_the_operators_rights_is_refused(
    admin: kubernetes.client.ApiClient, app: dict[str, Any], why: str
) -> None:
    assert why in refused(admin, app)


@pytest.mark.parametrize(
    "app",
    [
        changed(),
        scheduled(),
        {**changed(), "metadata": {"generateName": "spark-groups-"}},
        changed("a" * 46, drop="sparkConf"),
        changed(deps={"jars": ["local:///opt/a.jar", "https://example.org/b.jar"]}),
        changed(sparkConf={"spark.sql.shuffle.partitions": "4", "spark.kubernetes.driverEnv.A_B": "c"}),
        changed(sparkConf={"spark.kubernetes.executor.label.example.org/a": "b", "spark.logConf": "true"}),
        changed(
            hadoopConf={"fs.s3a.endpoint": "http://a"}, sparkConf={"spark.hadoop.fs.s3a.path.style.access": "true"}
        ),
    ],
)
def test_an_application_that_keeps_to_itself_is_taken(admin: kubernetes.client.ApiClient, app: dict[str, Any]) -> None:
    assert refused(admin, app) == ""


def pod_refused(client: kubernetes.client.ApiClient, labels: dict[str, str], **spec: Any) -> str:
    """Why a pod with these labels that the driver's account makes is not taken; empty where it is."""
    other = kubernetes.client.ApiClient(client.configuration)
    other.set_default_header("Impersonate-User", DRIVER)
    container = {"name": "spark-kubernetes-executor", "image": "a"}
    pod = {"metadata": {"generateName": "a-", "labels": labels}, "spec": {"containers": [container], **spec}}
    try:
        kubernetes.client.CoreV1Api(other).create_namespaced_pod(SPACE, pod, dry_run="All")
    except ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


def test_a_driver_makes_executors_only_and_with_its_own_account(admin: kubernetes.client.ApiClient) -> None:
    core = kubernetes.client.CoreV1Api(admin)
    for name in ("default", "default-editor"):
        try:
            core.create_namespaced_service_account(SPACE, {"metadata": {"name": name}})
        except ApiException as error:
            assert error.status == 409, error
    executor = {"spark-role": "executor"}
    assert pod_refused(admin, executor, serviceAccountName="spark") == "" == pod_refused(admin, executor)
    for labels, spec in (
        ({}, {}),
        ({"spark-role": "driver"}, {}),
        (executor, {"serviceAccountName": "default-editor"}),
    ):
        assert "a driver makes executors only" in pod_refused(admin, labels, **spec)


@pytest.mark.parametrize(
    ("user", "verb", "resource", "space", "allowed"),
    [
        (OPERATOR, "create", "pods", SPACE, True),
        (OPERATOR, "create", "pods", "kube-system", False),
        (OPERATOR, "patch", "configmaps", SPACE, True),
        (OPERATOR, "patch", "configmaps", "kube-system", False),
        (OPERATOR, "get", "secrets", SPACE, False),
        (OPERATOR, "create", "secrets", SPACE, False),
        (DRIVER, "create", "pods", SPACE, True),
        (DRIVER, "deletecollection", "pods", SPACE, True),
        (DRIVER, "create", "pods", "kube-system", False),
        (DRIVER, "get", "secrets", SPACE, False),
        (DRIVER, "get", "configmaps", SPACE, False),
        (DRIVER, "delete", "services", SPACE, False),
    ],
)
def test_operator_and_driver_have_few_rights(
    admin: kubernetes.client.ApiClient, user: str, verb: str, resource: str, space: str, allowed: bool
) -> None:
    attributes = {"namespace": space, "verb": verb, "group": "", "resource": resource}
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    api = kubernetes.client.AuthorizationV1Api(admin)
    assert api.create_subject_access_review(review).status.allowed is allowed
