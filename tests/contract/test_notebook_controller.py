"""Addon ``notebook-controller``: its routes are for those who may edit in a profile, its program writes in profiles alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract_data import CATALOGUE, FACTS, Workshop
from notebookpeople import MAY, PEOPLE, WHO

from mlstack.core.authzmatch import Request, policy_applies
from mlstack.core.desired import RenderedStack
from mlstack.core.resolve import Choice, profile_of, resolve

NAME = "notebook-controller"
(VERSION,) = CATALOGUE.versions(NAME)
WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}


@pytest.fixture(scope="module")
def one(workshop: Workshop) -> RenderedStack:
    return workshop.render(NAME, VERSION, replace(FACTS, people=PEOPLE))


def of_kind(one: RenderedStack, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Objects of a kind by namespace and name."""
    found = [obj for obj in one.objects if obj["kind"] == kind]
    return {(obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in found}


@pytest.mark.parametrize("space", MAY)
@pytest.mark.parametrize("rest", ["/mine/", "/mine/lab", "/mine/api/kernels/x/channels"])
@pytest.mark.parametrize("who", WHO)
def test_who_may_edit_in_a_profile_may_open_its_notebooks(one: RenderedStack, space: str, rest: str, who: str) -> None:
    (policy,) = of_kind(one, "AuthorizationPolicy").values()
    assert policy["spec"]["action"] == "DENY", "what is allowed is the login's to say"
    request = Request("lab:8443", 8443, f"/notebook/{space}{rest}", **WHO[who])
    assert bool(policy_applies(policy, request)) != (who in MAY[space])


@pytest.mark.parametrize("path", ["/", "/notebooks/bob/lab", "/pipeline/", "/notebook"])
def test_it_says_nothing_of_other_addresses(one: RenderedStack, path: str) -> None:
    (policy,) = of_kind(one, "AuthorizationPolicy").values()
    assert not policy_applies(policy, Request("lab:8443", 8443, path, **WHO["stranger"]))


def test_it_writes_in_profiles_alone(one: RenderedStack) -> None:
    roles = {name: obj["rules"] for (_, name), obj in of_kind(one, "ClusterRole").items()}
    everywhere = [roles[obj["roleRef"]["name"]] for obj in of_kind(one, "ClusterRoleBinding").values()]
    assert everywhere and not WRITES & {verb for rules in everywhere for rule in rules for verb in rule["verbs"]}
    bound = of_kind(one, "RoleBinding")
    assert {space for space, _ in bound} == {"ann", "bob"}
    for obj in bound.values():
        rules = roles[obj["roleRef"]["name"]]
        assert not {"delete", "deletecollection", "*"} & {verb for rule in rules for verb in rule["verbs"]}
        assert not {"secrets", "pods"} & {resource for rule in rules for resource in rule["resources"]}


def test_culling_is_off_at_no_minutes(workshop: Workshop, one: RenderedStack) -> None:
    def settings(rendered: RenderedStack) -> tuple[str, str]:
        (found,) = of_kind(rendered, "ConfigMap").values()
        return found["data"]["ENABLE_CULLING"], found["data"]["CULL_IDLE_TIME"]

    assert settings(one) == ("true", "1440")
    assert settings(workshop.render(NAME, VERSION, idleMinutes=0)) == ("false", "0")


def test_with_sidecars_a_notebook_is_for_the_gateway_and_one_question_of_the_controller(workshop: Workshop) -> None:
    choices = {NAME: Choice(version=VERSION, enabled=True), "istio": Choice(params={"mesh": "sidecar"})}
    selection = resolve(
        CATALOGUE,
        workshop.release,
        profile_of(workshop.release, NAME, CATALOGUE.entry(NAME, VERSION).document.spec.requires),
        choices=choices,
    )
    stacks = workshop.renderer.render(selection, replace(FACTS, people=PEOPLE))
    policies = of_kind(next(one for one in stacks if one.name == NAME), "AuthorizationPolicy")
    controller = f"cluster.local/ns/{NAME}/sa/{NAME}"
    for space in ("ann", "bob"):
        let_in, kept_out = policies[space, NAME]["spec"], policies[space, "from-gateway"]["spec"]
        assert let_in["selector"] == kept_out["selector"] == {"matchLabels": {"mlstack.dev/from": "gateway"}}
        (rule,) = let_in["rules"]
        assert rule["from"][0]["source"]["principals"] == [controller]
        assert rule["to"][0]["operation"] == {"methods": ["GET"], "paths": ["*/api/kernels"]}
        (source,) = kept_out["rules"][0]["from"]
        assert controller in source["source"]["notPrincipals"] and len(source["source"]["notPrincipals"]) == 2
