"""Stacks whose images only a registry has, on a real API server: it takes each of their objects; and what their admission policies
do to pods."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from apiserver import ApiServer, missing
from workflowdefinition import define, definition

from e2e.dryrun import broken, definitions, places, published, refused, rendering
from mlstack.adapters.kube import KubeClient
from mlstack.core.model import ResourceId


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One of this module's own: admission policies act for a while after they are deleted, also on the pods of other tests."""
    if absent := missing():
        pytest.skip(f"no {' and '.join(absent)} in MLSTACK_TEST_BIN or PATH")
    started = ApiServer(tmp_path_factory.mktemp("dryrun")).start()
    # what a platform with a gateway has; of these objects nothing but their names is looked at here
    define(
        kubernetes.config.new_client_from_config(str(started.kubeconfig)),
        definition("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"),
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def core(server: ApiServer) -> kubernetes.client.CoreV1Api:
    return kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(str(server.kubeconfig)))


@pytest.fixture
def kube(server: ApiServer) -> Iterator[KubeClient]:
    client = KubeClient(server.kubeconfig)
    yield client
    client.close()


@pytest.fixture(scope="module", autouse=True)
def kinds(server: ApiServer) -> None:
    """What a platform has beside them: the gateway's kinds."""
    client = KubeClient(server.kubeconfig)
    found = definitions("istio")
    assert {"VirtualService", "AuthorizationPolicy"} <= {obj["spec"]["names"]["kind"] for obj in found}
    for obj in found:
        client.apply(obj)
    extensions = kubernetes.client.ApiextensionsV1Api(kubernetes.config.new_client_from_config(str(server.kubeconfig)))
    deadline = time.monotonic() + 60
    while not all(map(established, extensions.list_custom_resource_definition().items)):
        assert time.monotonic() < deadline, "the definitions do not take effect"
        time.sleep(0.2)
    client.close()


def established(definition: Any) -> bool:
    return any(one.type == "Established" and one.status == "True" for one in definition.status.conditions or ())


@pytest.mark.parametrize(("name", "version"), published())
def test_every_object_is_taken_and_every_broken_one_refused(kube, core, name: str, version: str) -> None:
    objects = rendering(name, version)
    with places(core, objects) as where:
        assert set(where) == {obj["metadata"]["namespace"] for obj in objects if "namespace" in obj["metadata"]}
        assert refused(kube, objects, where) == []
        wrong = broken(objects)
        assert {obj["kind"] for obj in wrong} >= {"Deployment", "NetworkPolicy", "ConfigMop"}
        assert len(refused(kube, wrong, where)) == len(wrong)
        for space in set(where.values()) - set(where):
            assert core.list_namespaced_service(space).items == [], "a dry run makes nothing"


def pod(**labels: str) -> dict[str, Any]:
    container = {"name": "main", "image": "x", "securityContext": {"runAsUser": 65532}}
    security = {"seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "metadata": {"generateName": "p-", "labels": labels},
        "spec": {"containers": [container, {"name": "wait", "image": "x"}], "securityContext": security},
    }


def test_pods_of_pipelines_run_as_the_ordinary_user_of_workflows(kube, core) -> None:
    """What the templates of this version leave out of the workflow engine's defaults."""
    policies = [obj for obj in rendering("kubeflow-pipelines", "2.17.0") if obj["kind"].startswith("MutatingAdmission")]
    assert len(policies) == 2

    def made(**labels: str) -> Any:
        return core.create_namespaced_pod("default", pod(**labels), dry_run="All").spec

    for obj in policies:
        kube.apply(obj)
    try:
        deadline = time.monotonic() + 60
        while made(**{"pipeline/runid": "r"}).security_context.run_as_user is None:
            assert time.monotonic() < deadline, "the policy does not take effect"
            time.sleep(0.2)
        spec = made(**{"pipeline/runid": "r"})
        chosen = spec.security_context
        assert (chosen.run_as_user, chosen.run_as_group, chosen.fs_group, chosen.run_as_non_root) == (
            1000,
            1000,
            1000,
            True,
        )
        assert chosen.seccomp_profile.type == "RuntimeDefault"
        assert [one.security_context and one.security_context.run_as_user for one in spec.containers] == [65532, None]
        assert made(app="other").security_context.run_as_user is None
    finally:
        admission = kubernetes.client.AdmissionregistrationV1Api(core.api_client)
        admission.delete_mutating_admission_policy_binding("mlstack-pipelines-pods")
        admission.delete_mutating_admission_policy("mlstack-pipelines-pods")


def test_the_newer_pipelines_are_taken_over_the_older_ones(kube, core) -> None:
    """What an upgrade would apply: no field that cannot change differs. The last test here: it leaves the older version's admission
    policy behind for a moment, which turns pods away."""
    older, newer = rendering("kubeflow-pipelines", "2.0.5"), rendering("kubeflow-pipelines", "2.17.0")
    whole = [ResourceId.of(obj) for obj in older if "namespace" not in obj["metadata"] and obj["kind"] != "Namespace"]
    with places(core, [*older, *newer]) as where:
        try:
            for obj in older:
                space = where.get(obj["metadata"].get("namespace", ""))
                if space or obj["kind"] != "Namespace":
                    kube.apply({**obj, "metadata": {**obj["metadata"], **({"namespace": space} if space else {})}})
            assert refused(kube, newer, where) == []
            other = {"matchLabels": {"app.kubernetes.io/name": "other"}}
            wrong = [
                {
                    **obj,
                    "spec": {
                        **obj["spec"],
                        "selector": other,
                        "template": {**obj["spec"]["template"], "metadata": {"labels": other["matchLabels"]}},
                    },
                }
                for obj in newer
                if obj["kind"] == "Deployment"
            ]
            lines = refused(kube, wrong, where)
            assert len(lines) == len(wrong) == 4 and all("immutable" in line for line in lines)
        finally:
            for rid in whole:
                kube.delete(rid)
