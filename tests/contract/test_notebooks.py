"""What stack ``notebooks`` makes: a notebook is for those who may edit in its profile, through the gateway alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from callers import ISSUER
from contract_data import CATALOGUE, FACTS, Workshop
from notebookpeople import MAY, PEOPLE, WHO

from mlstack.core.authzmatch import Request, policy_applies
from mlstack.core.desired import RenderedStack
from mlstack.core.people import People, Profile
from mlstack_notebooks.site import read_site

VERSION = CATALOGUE.versions("notebooks")[-1]


@pytest.fixture(scope="module")
def one(workshop: Workshop) -> RenderedStack:
    return workshop.render("notebooks", VERSION, replace(FACTS, people=PEOPLE))


def of_kind(one: RenderedStack, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
    return [
        obj for obj in one.objects if obj["kind"] == kind and namespace in (None, obj["metadata"].get("namespace", ""))
    ]


@pytest.mark.parametrize("space", MAY)
@pytest.mark.parametrize("rest", ["", "/", "/lab", "/api/kernels"])
@pytest.mark.parametrize("who", WHO)
def test_who_may_edit_in_a_profile_may_open_its_notebook(one: RenderedStack, space: str, rest: str, who: str) -> None:
    (policy,) = of_kind(one, "AuthorizationPolicy")
    request = Request("lab:8443", 8443, f"/notebooks/{space}{rest}", **WHO[who])
    assert bool(policy_applies(policy, request)) != (who in MAY[space])


def test_the_links_are_for_everybody_and_name_the_same_people(one: RenderedStack) -> None:
    (policy,) = of_kind(one, "AuthorizationPolicy")
    assert not policy_applies(policy, Request("lab:8443", 8443, "/my-notebooks/", **WHO["stranger"]))
    (settings,) = of_kind(one, "ConfigMap", one.namespace)
    site = read_site(settings["data"]["settings.json"])
    assert [each.namespace for each in site.of("ann@lab", [])] == ["ann"]
    assert [each.namespace for each in site.of("x@lab", ["writers"])] == ["ann"]
    assert [each.namespace for each in site.of("bob@lab", [])] == ["bob"], "a viewer of ann opens nothing there"


def test_a_notebook_runs_with_the_editors_rights_and_lets_in_the_gateway_only(
    workshop: Workshop, one: RenderedStack
) -> None:
    (notebook,) = of_kind(one, "StatefulSet", "ann")
    assert "replicas" not in notebook["spec"], "who sleeps must not be woken by the next `up`"
    template = notebook["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "default-editor"
    profiles = workshop.render("profiles", CATALOGUE.versions("profiles")[-1], replace(FACTS, people=PEOPLE))
    policies = of_kind(profiles, "NetworkPolicy", "ann")
    admitting = [
        each
        for each in policies
        if "Ingress" in each["spec"]["policyTypes"]
        and selects(each["spec"]["podSelector"], template["metadata"]["labels"])
    ]
    assert [each["metadata"]["name"] for each in admitting] == ["profile"]
    (rule,) = admitting[0]["spec"]["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchExpressions": [{"key": "provides.mlstack.dev/gateway", "operator": "Exists"}]}}
    ]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(one["key"]) not in one["values"] for one in selector.get("matchExpressions", ()))


def test_the_program_may_wake_and_not_more(one: RenderedStack) -> None:
    (role,) = of_kind(one, "Role", "ann")
    assert [rule for rule in role["rules"] if {*rule["verbs"]} - {"get", "list", "watch"}] == [
        {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "resourceNames": ["notebook"], "verbs": ["patch"]},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["platform-authority"],
            "verbs": ["get", "patch"],
        },
    ]
    (wide,) = of_kind(one, "ClusterRole")
    assert [(rule["resources"], rule["verbs"]) for rule in wide["rules"]] == [
        (["statefulsets"], ["get", "list", "watch"])
    ]


def test_a_new_owner_gets_a_volume_of_their_own(workshop: Workshop, one: RenderedStack) -> None:
    other = People(profiles=(Profile("ann", "new@lab"),))
    again = workshop.render("notebooks", VERSION, replace(FACTS, people=other))
    names = [of_kind(each, "PersistentVolumeClaim", "ann")[0]["metadata"]["name"] for each in (one, again)]
    assert names[0] != names[1]
    for each, name in zip((one, again), names, strict=True):
        (notebook,) = of_kind(each, "StatefulSet", "ann")
        volumes = {volume["name"]: volume for volume in notebook["spec"]["template"]["spec"]["volumes"]}
        assert volumes["home"]["persistentVolumeClaim"]["claimName"] == name


@pytest.mark.parametrize(("chosen", "spaces"), [(["*"], {"ann", "bob"}), (["bob", "later"], {"bob"}), ([], set())])
def test_the_profiles_that_have_one_are_chosen(workshop: Workshop, chosen: list[str], spaces: set[str]) -> None:
    found = workshop.render("notebooks", VERSION, replace(FACTS, people=PEOPLE), profiles=chosen)
    assert {obj["metadata"]["namespace"] for obj in of_kind(found, "StatefulSet")} == spaces
    (settings,) = of_kind(found, "ConfigMap", found.namespace)
    assert {*read_site(settings["data"]["settings.json"]).notebooks} == spaces


def test_clients_need_no_address(one: RenderedStack) -> None:
    (notebook,) = of_kind(one, "StatefulSet", "ann")
    (container,) = notebook["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert env["KF_PIPELINES_ENDPOINT"].startswith(f"{env['MLSTACK_URL']}/")
    assert env["AWS_ENDPOINT_URL"] and env["BUCKET"] == "profile-ann"
    audiences = [
        source["serviceAccountToken"]["audience"]
        for volume in notebook["spec"]["template"]["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        if "serviceAccountToken" in source
    ]
    assert audiences == ["istio-ingressgateway.istio-system.svc.cluster.local"]
    assert ISSUER not in json.dumps(container["env"])


@pytest.mark.parametrize(("chosen", "spaces"), [([], set()), (["ann"], {"ann"}), (["*"], {"ann", "bob"})])
def test_the_profiles_whose_notebook_is_code_server(workshop: Workshop, chosen: list[str], spaces: set[str]) -> None:
    found = workshop.render("notebooks", VERSION, replace(FACTS, people=PEOPLE), codeServer=chosen)
    (settings,) = of_kind(found, "ConfigMap", found.namespace)
    site = read_site(settings["data"]["settings.json"])
    assert {name for name, each in site.notebooks.items() if each.editor == "code-server"} == spaces
    assert any("/code-server:" in image.ref for image in found.images) == bool(chosen), (
        "it is made only where it is used"
    )
    plain = workshop.render("notebooks", VERSION, replace(FACTS, people=PEOPLE))
    for name in ("ann", "bob"):
        (one,), (other,) = (of_kind(each, "StatefulSet", name) for each in (found, plain))
        template, usual = one["spec"]["template"], other["spec"]["template"]
        code = name in spaces
        assert (template["metadata"]["labels"].get("mlstack.dev/editor") == "code-server") == code
        (container,), (ordinary,) = template["spec"]["containers"], usual["spec"]["containers"]
        assert ("/code-server:" in container["image"]) == code
        assert container["readinessProbe"]["httpGet"]["path"] == ("/healthz" if code else f"/notebooks/{name}/api")
        # all else is the same: account, walls, volume, settings, limits
        template["metadata"]["labels"].pop("mlstack.dev/editor", None)
        container |= {key: ordinary[key] for key in ("image", "readinessProbe")}
        assert template == usual
