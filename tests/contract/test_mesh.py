"""``mesh: sidecar`` over the whole catalogue: who is behind the gateway is in the mesh, confined, and knows whom it listens to."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop
from test_workloads import RULES

from mlstack.core.desired import RenderedStack
from mlstack.core.golden import GOLDEN_FACTS, golden_files
from mlstack.core.kinds import pod_template
from mlstack.core.podspec import pod_labels
from mlstack.core.resolve import Choice, resolve

PRINCIPAL = "cluster.local/ns/istio-system/sa/istio-ingressgateway"
INJECT = "sidecar.istio.io/inject"
OUTSIDE = {"minio", "argo-workflows", "istio"}
"""Behind the gateway and not in the mesh: the first two check every caller's own key or token themselves (and programs on the host
speak to MinIO without a gateway), the last is the mesh's own control."""


def renderings(workshop: Workshop, mesh: str, provider: str, facts: Any = FACTS) -> dict[str, RenderedStack]:
    """Profile ``standard`` with one of the identity providers, by stack."""
    choices = {"istio": Choice(params={"mesh": mesh})}
    if provider != "dex":
        choices |= {"dex": Choice(enabled=False), provider: Choice(enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, "standard", choices=choices)
    return {one.name: one for one in workshop.renderer.render(selection, facts)}


def found(stack: RenderedStack, kind: str) -> list[dict[str, Any]]:
    return [obj for obj in stack.objects if obj["kind"] == kind]


@pytest.mark.parametrize("provider", ["dex", "keycloak"])
def test_who_has_a_route_is_in_the_mesh_and_listens_to_the_gateway(workshop: Workshop, provider: str) -> None:
    stacks = renderings(workshop, "sidecar", provider)
    routed = {name for name, one in stacks.items() if any(point.route for point in one.endpoints)} | {"oauth2-proxy"}
    assert {"portal", provider} <= routed
    for name in routed - OUTSIDE:
        for obj in found(stacks[name], "Deployment"):
            assert pod_labels(obj).get(INJECT) == "true", f"{name}/{obj['metadata']['name']}"
        rules = [rule for obj in found(stacks[name], "AuthorizationPolicy") for rule in obj["spec"]["rules"]]
        sources = [entry["source"] for rule in rules for entry in rule.get("from", ())]
        assert any(source.get("principals") == [PRINCIPAL] for source in sources), name


def test_the_mesh_takes_mutual_tls_only(workshop: Workshop) -> None:
    stacks = renderings(workshop, "sidecar", "dex")
    modes = [obj["spec"] for one in stacks.values() for obj in found(one, "PeerAuthentication")]
    assert modes == [{"mtls": {"mode": "STRICT"}}], "for the whole mesh, and nobody makes an exception"


@pytest.mark.parametrize("provider", ["dex", "keycloak"])
def test_without_sidecars_nothing_of_them_is_there(workshop: Workshop, provider: str) -> None:
    for one in renderings(workshop, "gateway", provider, GOLDEN_FACTS).values():
        kinds = {obj["kind"] for obj in one.objects}
        assert not kinds & {"MutatingWebhookConfiguration", "PeerAuthentication", "DaemonSet"}
        assert INJECT not in repr(one.objects) and "istio-injection" not in repr(one.objects)


def test_profiles_are_in_the_mesh(workshop: Workshop) -> None:
    one = renderings(workshop, "sidecar", "dex", GOLDEN_FACTS)["profiles"]
    labels = {obj["metadata"]["name"]: obj["metadata"]["labels"] for obj in found(one, "Namespace")}
    assert labels["ann"]["istio-injection"] == "enabled"
    assert "istio-injection" not in labels["old"], "nothing runs in a profile that was removed"
    (policy,) = found(one, "AuthorizationPolicy")
    sources = [entry["source"] for entry in policy["spec"]["rules"][0]["from"]]
    assert sources == [{"principals": [PRINCIPAL]}, {"namespaces": ["ann"]}]


def test_what_is_put_into_pods_is_admitted_everywhere(workshop: Workshop) -> None:
    """The containers that the control plane adds meet the rules that the catalogue's own do, in a pod that says nothing."""
    stack = renderings(workshop, "sidecar", "dex")["istio"]
    config = next(obj for obj in found(stack, "ConfigMap") if obj["metadata"]["name"] == "istio-sidecar-injector")
    template = yaml.safe_load(config["data"]["config"])["templates"]["sidecar"]
    spec = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "1", template))["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["istio-validation", "istio-proxy"]
    for container in spec["initContainers"]:
        broken = [rule for rule, holds in RULES.items() if not holds({}, container)]
        assert not broken, (container["name"], broken)
    assert spec["initContainers"][1]["restartPolicy"] == "Always", "or pods that end by themselves never would"
    assert all({"emptyDir", "configMap", "projected", "downwardAPI"} & volume.keys() for volume in spec["volumes"])


def test_the_node_agent_has_none_of_roots_powers(workshop: Workshop) -> None:
    (agent,) = found(renderings(workshop, "sidecar", "dex")["istio"], "DaemonSet")
    spec = (pod_template(agent) or {})["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    paths = {volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert paths == {"/opt/cni/bin", "/etc/cni/net.d", "/var/run/istio-cni"}


def test_golden_output_is_kept_where_the_value_makes_a_difference(workshop: Workshop) -> None:
    selection = resolve(CATALOGUE, workshop.release, "standard")
    portal = golden_files(workshop.renderer, selection, "portal")
    assert "gateway-only" in portal["objects.istio.mesh-sidecar.yaml"] and "gateway-only" not in portal["objects.yaml"]
    assert set(golden_files(workshop.renderer, selection, "minio")) == {"objects.yaml"}
