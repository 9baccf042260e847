"""What stack ``kserve`` makes: models are for their profile's members, servers are confined, the webhooks trust our authority."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from callers import machine, person
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.authzmatch import Request, policy_applies
from mlstack.core.desired import RenderedStack
from mlstack.core.people import Member, People, Profile

VERSION = CATALOGUE.versions("kserve")[-1]
PEOPLE = People(
    profiles=(
        Profile("ann", "ann@lab", (Member("bob@lab", "view"), Member("readers", "edit", group=True))),
        Profile("bob", "bob@lab"),
    )
)
KINDS = "serving.kserve.io"


@pytest.fixture(scope="module")
def one(workshop: Workshop) -> RenderedStack:
    return workshop.render("kserve", VERSION, replace(FACTS, people=PEOPLE))


def of_kind(one: RenderedStack, kind: str) -> dict[str, dict[str, Any]]:
    return {obj["metadata"]["name"]: obj for obj in one.objects if obj["kind"] == kind}


WHO = {
    "owner": person("ann@lab"),
    "member": person("bob@lab"),
    "member by group": person("eve@lab", "staff", "readers"),
    "administrator": person("root@lab", "admins"),
    "stranger": person("eve@lab", "staff"),
    "nobody": {"principal": "https://lab/dex/y", "claims": {}},
    "program of ann": machine("ann"),
    "program of bob": machine("bob"),
    "step of a workflow": machine("ml", "model-deployer"),
    "program with a like name": machine("ann-2"),
    "claims as a machine's": {
        "principal": "https://lab/dex/system:serviceaccount:ann:x",
        "claims": {"email": "eve@lab"},
    },
}
MAY = {
    "ann": {"owner", "member", "member by group", "administrator", "program of ann"},
    "bob": {"member", "administrator", "program of bob"},
    "ml": {"administrator", "step of a workflow"},
    "ann-2": {"administrator"},
    "kube-system": {"administrator"},
}


@pytest.mark.parametrize(("namespace", "who"), list(product(MAY, WHO)))
def test_models_are_for_the_members_of_their_namespace(one: RenderedStack, namespace: str, who: str) -> None:
    policy = of_kind(one, "AuthorizationPolicy")["models"]
    assert policy["spec"]["action"] == "DENY"
    request = Request("lab:8443", 8443, f"/serving/{namespace}/iris/v1/models/iris:predict", "POST", **WHO[who])
    assert policy_applies(policy, request) is (who not in MAY[namespace])


def test_the_rest_of_the_platform_is_not_touched(one: RenderedStack) -> None:
    policy = of_kind(one, "AuthorizationPolicy")["models"]
    assert not policy_applies(policy, Request("lab:8443", 8443, "/", **WHO["stranger"]))


def test_without_users_everything_is_the_administrators(workshop: Workshop) -> None:
    bare = workshop.render("kserve", VERSION, replace(FACTS, people=People()))
    policy = of_kind(bare, "AuthorizationPolicy")["models"]
    request = Request("lab:8443", 8443, "/serving/ann/iris/", **WHO["owner"])
    assert policy_applies(policy, request)
    assert not policy_applies(policy, replace(request, **WHO["administrator"]))


def test_servers_meet_the_strictest_pod_security_level(one: RenderedStack) -> None:
    runtimes = of_kind(one, "ClusterServingRuntime")
    containers = [container for each in runtimes.values() for container in each["spec"]["containers"]]
    containers.append(of_kind(one, "ClusterStorageContainer")["default"]["spec"]["container"])
    for container in containers:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", "why it ended is told from there"


def test_a_format_has_one_server_a_protocol_and_that_by_http_is_taken_first(one: RenderedStack) -> None:
    chosen: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for name, runtime in of_kind(one, "ClusterServingRuntime").items():
        spec = runtime["spec"]
        assert len(spec["containers"][0].get("ports", [])) <= 1, "Knative allows one port"
        assert f"--format={spec['supportedModelFormats'][0]['name']}" in spec["containers"][0]["args"]
        for form, protocol in product(spec["supportedModelFormats"], spec["protocolVersions"]):
            key = (form["name"], form["version"], protocol)
            chosen.setdefault(key, []).append((form["priority"], name))
    assert all(len(found) == 1 for found in chosen.values())
    assert {form for form, _, _ in chosen} == {"sklearn", "xgboost", "lightgbm", "python"}
    assert {protocol for _, _, protocol in chosen} == {"v1", "v2", "grpc-v2"}
    for (form, version, protocol), [(priority, _)] in chosen.items():
        if protocol == "v2":
            assert priority > chosen[form, version, "grpc-v2"][0][0]


def test_every_webhook_is_asked_at_a_service_that_has_the_certificate(one: RenderedStack) -> None:
    (certificate,) = one.certificates
    hooks = {**of_kind(one, "ValidatingWebhookConfiguration")}
    named = {f"ValidatingWebhookConfiguration/{name}" for name in hooks}
    named |= {f"MutatingWebhookConfiguration/{name}" for name in of_kind(one, "MutatingWebhookConfiguration")}
    assert set(certificate.ca_bundle_in) == named | {"ConfigMap/models-gateway"}
    for configuration in [*hooks.values(), *of_kind(one, "MutatingWebhookConfiguration").values()]:
        for hook in configuration["webhooks"]:
            service = hook["clientConfig"]["service"]
            assert f"{service['name']}.{service['namespace']}.svc" in certificate.dns_names
            assert hook["admissionReviewVersions"] == ["v1"]
            assert "DELETE" not in [verb for rule in hook["rules"] for verb in rule["operations"]], (
                "down would wait for it"
            )


def test_the_configuration_is_json_that_the_controller_takes(one: RenderedStack) -> None:
    data = {
        name: json.loads(text) for name, text in of_kind(one, "ConfigMap")["inferenceservice-config"]["data"].items()
    }
    assert data["deploy"] == {"defaultDeploymentMode": "Standard"}
    assert data["ingress"]["ingressGateway"], "the controller ends without one, also where it makes no routes"
    for part in ("storageInitializer", "agent", "logger", "batcher", "router"):
        assert all(data[part][key] for key in ("cpuRequest", "cpuLimit", "memoryRequest", "memoryLimit")), part
        assert data[part]["image"] in {image.ref for image in one.images}


def test_a_canarys_model_is_written_like_the_predictors(one: RenderedStack) -> None:
    definition = of_kind(one, "CustomResourceDefinition")["inferenceservices.serving.kserve.io"]
    (version,) = definition["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    canary = spec["canary"]["items"]["properties"]["predictor"]["properties"]["model"]
    assert canary.get("required") == spec["predictor"]["properties"]["model"].get("required")


def test_the_controller_cannot_change_the_clusters_webhooks(one: RenderedStack) -> None:
    rules = of_kind(one, "ClusterRole")["kserve-manager-role"]["rules"]
    assert "admissionregistration.k8s.io" not in [group for rule in rules for group in rule["apiGroups"]]
    assert [rule for rule in rules if KINDS in rule["apiGroups"]]


def test_each_namespace_has_an_account_that_reads_its_own_bucket(one: RenderedStack) -> None:
    accounts = {
        obj["metadata"]["namespace"]: obj
        for obj in one.objects
        if (obj["kind"], obj["metadata"]["name"]) == ("ServiceAccount", "model-reader")
    }
    found = {
        name: (account["secrets"][0]["name"], account["metadata"]["annotations"]["mlstack.dev/bucket"])
        for name, account in accounts.items()
    }
    assert found == {
        "ann": ("profile-ann", "profile-ann"),
        "bob": ("profile-bob", "profile-bob"),
        "ml": ("argo-artifacts", "workflows"),
    }
