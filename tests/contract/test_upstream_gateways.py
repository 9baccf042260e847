"""What upstream's ingresses for Knative are made of: no port leads past the login, rights are those that are needed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from contract_data import Workshop
from upstreamworld import ADDONS, Stacks, address, find, objects, rendering


@pytest.fixture(params=ADDONS, scope="module")
def chosen(request: pytest.FixtureRequest, workshop: Workshop) -> tuple[str, Stacks]:
    return request.param, rendering(workshop, request.param)


def test_ours_steps_aside_for_the_one_that_was_chosen(chosen) -> None:
    name, stacks = chosen
    knative = stacks["knative"]
    assert not [image.ref for image in knative.images if "knative-ingress" in image.ref or "envoy" in image.ref]
    assert not {"knative-gateway", "knative-ingress", "ingress-access"} & {
        obj["metadata"]["name"] for obj in knative.objects
    }
    ingress_class = f"{ADDONS[name]}.ingress.networking.knative.dev"
    network = find(stacks, "ConfigMap", "config-network", "knative-serving")
    assert network["data"]["ingress-class"] == knative.exports["serving"]["ingressClass"] == ingress_class


def test_who_is_led_to_services_finds_the_gateways_that_there_are(chosen) -> None:
    _, stacks = chosen
    serving = stacks["knative"].exports["serving"]
    for key in ("gateway", "localGateway"):
        assert 80 in [port["port"] for port in address(stacks, serving[key])["spec"]["ports"]]
    (route,) = find(stacks, "VirtualService", "knative", "knative-serving")["spec"]["http"]
    assert route["route"] == [{"destination": {"host": serving["gateway"], "port": {"number": 80}}}]
    assert f"{serving['gateway']}:80" in json.dumps(find(stacks, "Deployment", "inference"))


def allowed(stacks: Stacks, namespace: str, labels: dict[str, str]) -> list[tuple[list[Any], set[int]]]:
    """Who reaches pods with the labels: sources and ports of every policy of the namespace that selects them."""
    found = []
    for obj in objects(stacks, "NetworkPolicy"):
        selector = obj["spec"]["podSelector"].get("matchLabels") or {}
        if obj["metadata"]["namespace"] == namespace and selector.items() <= labels.items():
            for rule in obj["spec"].get("ingress") or ():
                found.append((rule.get("from") or [], {port["port"] for port in rule.get("ports") or ()}))
    return found


def test_istios_ports_are_none_that_the_gateway_has_and_lead_nobody_past_the_login(workshop: Workshop) -> None:
    stacks = rendering(workshop, "net-istio")
    outer = find(stacks, "Gateway", "knative-ingress-gateway")["spec"]
    inner = find(stacks, "Gateway", "knative-local-gateway")["spec"]
    taken = {80, 443} | {
        port["containerPort"]
        for container in find(stacks, "Deployment", "istio-ingressgateway")["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]
    }
    ports = [server["port"]["number"] for gateway in (outer, inner) for server in gateway["servers"]]
    assert ports == [8082, 8081] and not taken & set(ports)
    labels = find(stacks, "Deployment", "istio-ingressgateway")["spec"]["template"]["metadata"]["labels"]
    assert outer["selector"].items() <= labels.items()
    sources = [sources for sources, found in allowed(stacks, "istio-system", labels) if 8082 in found]
    assert sources == [
        [
            {"podSelector": {"matchLabels": {"app": "istio-ingressgateway"}}},
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "net-istio"}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "net-istio-controller"}},
            },
        ]
    ]
    for name in ("knative-gateway", "knative-local-gateway"):
        service = find(stacks, "Service", name, "istio-system")
        assert service["metadata"]["labels"]["experimental.istio.io/disable-gateway-port-translation"] == "true", (
            "else Istio could take its port 80 for the one that sends on to the login"
        )


def test_kouriers_outer_ports_are_for_the_platforms_gateway_and_its_own_probes(workshop: Workshop) -> None:
    stacks = rendering(workshop, "net-kourier")
    labels = find(stacks, "Deployment", "3scale-kourier-gateway")["spec"]["template"]["metadata"]["labels"]
    rules = allowed(stacks, "kourier-system", labels)
    assert [sources for sources, ports in rules if 8080 in ports] == [
        [{"namespaceSelector": {"matchExpressions": [{"key": "provides.mlstack.dev/gateway", "operator": "Exists"}]}}]
    ]
    assert [sources for sources, ports in rules if 8090 in ports] == [
        [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "net-kourier-controller"}}}]
    ]
    assert {port for _, ports in rules for port in ports} == {8080, 8081, 8090}


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", ADDONS)
def test_pods_of_profiles_reach_the_inner_port_only_where_that_was_asked_for(
    workshop: Workshop, name: str, asked: bool
) -> None:
    stacks = rendering(workshop, name, profileCalls=asked)
    policies = [obj for obj in objects(stacks, "NetworkPolicy") if obj["metadata"]["name"].endswith("-gateway")]
    inner = [
        obj for obj in policies if {"port": 8081} in [port for rule in obj["spec"]["ingress"] for port in rule["ports"]]
    ]
    assert inner and ("mlstack.dev/profile" in json.dumps(inner)) is asked
    calls = [obj for obj in objects(stacks, "NetworkPolicy") if obj["metadata"]["name"] == "knative-calls"]
    assert [obj["metadata"]["namespace"] for obj in calls] == (["ann", "zoe", "open"] if asked else [])
    gateways = [obj["spec"]["egress"][0]["to"][0]["namespaceSelector"]["matchLabels"] for obj in calls]
    home = {"net-istio": "istio-system", "net-kourier": "kourier-system"}[name]
    assert all(labels == {"kubernetes.io/metadata.name": home} for labels in gateways)


@pytest.mark.parametrize("place", ["knative-serving", "ann", "ml"])
def test_services_let_in_the_gateway_that_there_is(chosen, place: str) -> None:
    _, stacks = chosen
    (rule,) = find(stacks, "NetworkPolicy", "upstream-ingress", place)["spec"]["ingress"]
    (source,) = rule["from"]
    home = source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert home == stacks["knative"].exports["serving"]["gateway"].split(".")[1]
    service = address(stacks, stacks["knative"].exports["serving"]["gateway"])
    assert source["podSelector"]["matchLabels"] == service["spec"]["selector"]


def test_in_all_namespaces_they_write_what_they_must_and_no_more(chosen) -> None:
    name, stacks = chosen
    written = set()
    for role in (obj for obj in stacks[name].objects if obj["kind"] == "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            changing = set(rule["verbs"]) - {"get", "list", "watch"}
            if changing and "resourceNames" not in rule:
                written |= {(resource, verb) for resource in rule["resources"] for verb in changing}
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["list", "watch"]
    needed = {("ingresses", "patch"), ("ingresses/status", "update"), ("ingresses/finalizers", "update")}
    needed |= {("events", "create"), ("events", "patch")}
    if name == "net-istio":
        needed |= {("virtualservices", verb) for verb in ("create", "update", "delete")}
    assert written == needed


def test_istios_settings_name_gateways_and_services_that_there_are(workshop: Workshop) -> None:
    stacks = rendering(workshop, "net-istio")
    settings = find(stacks, "ConfigMap", "config-istio")
    webhook = find(stacks, "ValidatingWebhookConfiguration", "config.webhook.istio.networking.internal.knative.dev")
    marks = webhook["webhooks"][0]["objectSelector"]["matchLabels"]
    assert marks.items() <= settings["metadata"]["labels"].items(), "the webhook checks it"
    for key, exported in {"external-gateways": "gateway", "local-gateways": "localGateway"}.items():
        (entry,) = yaml.safe_load(settings["data"][key])
        assert find(stacks, "Gateway", entry["name"], entry["namespace"])
        assert entry["service"] == stacks["knative"].exports["serving"][exported]
    outer = find(stacks, "Gateway", "knative-ingress-gateway")["spec"]["servers"][0]["port"]["number"]
    ports = find(stacks, "Service", "knative-gateway", "istio-system")["spec"]["ports"]
    assert {"port": outer, "targetPort": outer}.items() <= ports[1].items(), "without it the controller probes nothing"


def test_kouriers_gateway_asks_its_controller(workshop: Workshop) -> None:
    stacks = rendering(workshop, "net-kourier")
    config = yaml.safe_load(find(stacks, "ConfigMap", "kourier-gateway")["data"]["envoy.yaml"])
    clusters = {one["name"]: one for one in config["static_resources"]["clusters"]}
    (endpoint,) = clusters["xds_cluster"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    asked = endpoint["endpoint"]["address"]["socket_address"]
    assert asked["port_value"] in [port["port"] for port in address(stacks, asked["address"])["spec"]["ports"]]
    assert "service_stats" in clusters, "the controller leads requests for readiness there"
    assert config["node"]["id"] == "3scale-kourier-gateway", "it has configuration for no other"
