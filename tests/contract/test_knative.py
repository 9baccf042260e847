"""Knative behind the platform's gateway: who is let through to whose services, under which names, and by which certificate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.context import ExternalFacts
from mlstack.core.desired import RenderedStack
from mlstack.core.people import Member, People, Profile
from mlstack.core.resolve import Choice, resolve
from mlstack_ingress.listeners import polled

HOST = "lab.localhost"
LOCKS = Path(__file__).resolve().parents[2] / "stacks" / "locks" / "go"
PEOPLE = People(
    profiles=(
        Profile("ann", "ann@example.org", (Member("bob@example.org", "view"), Member("team", "edit", True))),
        Profile("zoe", "zoe@example.org"),
    )
)


def rendering(workshop: Workshop, *off: str, **params: Any) -> dict[str, RenderedStack]:
    choices = {name: Choice(enabled=False) for name in off} | {"knative": Choice(enabled=True, params=params)}
    selection = resolve(CATALOGUE, workshop.release, "standard", choices=choices)
    facts = replace(FACTS, people=PEOPLE, external=ExternalFacts(HOST, 8443))
    return {one.name: one for one in workshop.renderer.render(selection, facts)}


def find(one: RenderedStack, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    return next(
        obj
        for obj in one.objects
        if obj["kind"] == kind
        and obj["metadata"]["name"] == name
        and namespace in ("", obj["metadata"].get("namespace", ""))
    )


def test_each_profiles_services_are_for_its_people_and_its_own_accounts(workshop: Workshop) -> None:
    one = rendering(workshop, publicNamespaces=["models"])["knative"]
    found = json.loads(find(one, "ConfigMap", "ingress-access")["data"]["access.json"])
    assert found["header"] == "kubeflow-userid"
    assert found["allowed"] == {
        "ann": ["ann@example.org", "bob@example.org", "system:serviceaccount:ann:*"],
        "zoe": ["zoe@example.org", "system:serviceaccount:zoe:*"],
        "models": ["*"],
        "ml": ["*"],
    }


def test_without_a_login_nobody_is_asked_who_he_is(workshop: Workshop) -> None:
    one = rendering(workshop, "oauth2-proxy", "portal")["knative"]
    assert json.loads(find(one, "ConfigMap", "ingress-access")["data"]["access.json"])["header"] == ""


def test_names_below_profiles_lead_to_the_gateways_and_no_others(workshop: Workshop) -> None:
    found = find(rendering(workshop)["knative"], "VirtualService", "knative")["spec"]
    assert found["hosts"] == [f"*.{name}.{HOST}" for name in ("ann", "ml", "zoe")]
    assert "timeout" not in found["http"][0], (
        "how long a request may take is the service's; Istio refuses 0s, and has none"
    )


def test_its_programs_get_the_telemetry_that_they_were_written_for() -> None:
    """They end at once where the SDK's attributes are of another schema than those of knative.dev/pkg (1.41.0)."""
    lock = (LOCKS / "knative" / "go.mod").read_text()
    for module in ("sdk", "sdk/metric", "exporters/otlp/otlptrace", "exporters/otlp/otlptrace/otlptracegrpc"):
        name = f"go.opentelemetry.io/otel/{module}"
        assert f"replace {name} => {name} v1.44.0\n" in lock


def test_the_gateways_certificate_is_for_services_of_profiles(workshop: Workshop) -> None:
    (spec,) = rendering(workshop)["istio"].certificates
    assert {f"*.ann.{HOST}", f"*.zoe.{HOST}", HOST, f"*.{HOST}"} <= set(spec.dns_names)
    without = resolve(CATALOGUE, workshop.release, "standard", choices={})
    facts = replace(FACTS, people=PEOPLE, external=ExternalFacts(HOST, 8443))
    (spec,) = next(one for one in workshop.renderer.render(without, facts) if one.name == "istio").certificates
    assert f"*.ann.{HOST}" not in spec.dns_names


def test_the_outer_ports_are_for_the_platforms_gateway_only(workshop: Workshop) -> None:
    """They believe a header that names the user."""
    policy = find(rendering(workshop)["knative"], "NetworkPolicy", "knative-gateway")["spec"]
    outer = [rule for rule in policy["ingress"] if {"port": 8080} in rule["ports"] or {"port": 8443} in rule["ports"]]
    assert [rule["from"] for rule in outer] == [
        [{"namespaceSelector": {"matchExpressions": [{"key": "provides.mlstack.dev/gateway", "operator": "Exists"}]}}]
    ]


@pytest.mark.parametrize("allowed", [False, True])
def test_pods_of_profiles_reach_the_inner_ports_only_where_that_was_asked_for(
    workshop: Workshop, allowed: bool
) -> None:
    one = rendering(workshop, profileCalls=allowed)["knative"]
    policy = find(one, "NetworkPolicy", "knative-gateway")["spec"]
    assert ("mlstack.dev/profile" in json.dumps(policy)) is allowed
    calls = [obj["metadata"]["namespace"] for obj in one.objects if obj["metadata"]["name"] == "knative-calls"]
    assert calls == (["ann", "zoe"] if allowed else [])


def test_secrets_are_read_only_where_services_may_have_certificates(workshop: Workshop) -> None:
    def reads_secrets(**params: Any) -> bool:
        rules = find(rendering(workshop, **params)["knative"], "ClusterRole", "mlstack-knative-ingress")["rules"]
        return any("secrets" in rule["resources"] for rule in rules)

    assert not reads_secrets()
    assert reads_secrets(tls=True)


def test_users_make_services_but_take_no_names(workshop: Workshop) -> None:
    one = rendering(workshop)["knative"]
    rules = [rule for role in ("view", "edit") for rule in find(one, "ClusterRole", f"mlstack-knative-{role}")["rules"]]
    assert {group for rule in rules for group in rule["apiGroups"]} == {"serving.knative.dev"}
    assert {name for rule in rules for name in rule["resources"]} == {
        "configurations",
        "revisions",
        "routes",
        "services",
    }


def test_a_gateway_asks_for_what_it_starts_with_as_for_the_rest(workshop: Workshop) -> None:
    config = find(rendering(workshop)["knative"], "ConfigMap", "knative-gateway")["data"]
    dynamic = yaml.safe_load(config["envoy.yaml"])["dynamic_resources"]
    assert dynamic["cds_config"] == dynamic["lds_config"] == polled()


def test_knatives_own_programs_run_as_they_are_listed(workshop: Workshop) -> None:
    one = rendering(workshop, skipTagResolving=["mlstack.local", "registry.example.org:5000"])["knative"]
    settings = find(one, "ConfigMap", "config-deployment")["data"]
    assert settings["queue-sidecar-image"].endswith("/queue:v1.23.0")
    assert settings["registries-skipping-tag-resolving"] == "mlstack.local,registry.example.org:5000"
    assert find(one, "ConfigMap", "config-domain")["data"] == {HOST: ""}
    assert "ko://" not in json.dumps(one.objects)


def test_in_a_mesh_pods_of_services_stay_outside_as_their_callers_do(workshop: Workshop) -> None:
    choices = {"knative": Choice(enabled=True), "istio": Choice(enabled=True, params={"mesh": "sidecar"})}
    selection = resolve(CATALOGUE, workshop.release, "standard", choices=choices)
    istio = next(one for one in workshop.renderer.render(selection, FACTS) if one.name == "istio")
    by_namespace = find(istio, "MutatingWebhookConfiguration", "istio-sidecar-injector")["webhooks"][0]
    left_out = {"key": "serving.knative.dev/revision", "operator": "DoesNotExist"}
    assert left_out in by_namespace["objectSelector"]["matchExpressions"]


def test_nothing_is_said_that_knatives_webhook_writes_anew(workshop: Workshop) -> None:
    """Each `up` would find the field taken and apply it again, and the webhook would write it again."""
    one = rendering(workshop)["knative"]
    configurations = [obj for obj in one.objects if obj["kind"].endswith("WebhookConfiguration")]
    assert len(configurations) == 3
    assert not [
        hook
        for obj in configurations
        for hook in obj["webhooks"]
        if "rules" in hook or "caBundle" in hook["clientConfig"]
    ]
    aggregated = [obj for obj in one.objects if "aggregationRule" in obj]
    assert not [obj["metadata"]["name"] for obj in aggregated if obj.get("rules")]
