"""What the portal may do follows from the samples of the selection: a right and a rule for each kind, and no others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from contract_data import CATALOGUE, ENTRIES, ROOT, Workshop

from mlstack.core.desired import RenderedStack
from mlstack.core.sample import samples_of

FOLLOWED = [
    (name, version, sample)
    for name, version in ENTRIES
    for sample in CATALOGUE.entry(name, version).samples
    if sample.spec.follow
]


@pytest.mark.parametrize(("stack", "version", "sample"), FOLLOWED, ids=[one[2].metadata.name for one in FOLLOWED])
def test_a_followed_kind_is_called_in_paths_as_its_definition_says(stack: str, version: str, sample: Any) -> None:
    (place,) = (each for each in ("stacks", "addons") if (ROOT / each / stack).is_dir())
    listed = (ROOT / place / stack / version / "golden" / "upstream.txt").read_text()
    group = sample.spec.object["apiVersion"].partition("/")[0]
    assert f"CustomResourceDefinition/{sample.spec.follow.resource}.{group} " in listed


def portal_of(workshop: Workshop, stack: str) -> RenderedStack:
    return next(one for one in workshop.render_all(stack, CATALOGUE.versions(stack)[-1]) if one.name == "portal")


def names(one: RenderedStack, kind: str) -> set[str]:
    return {obj["metadata"]["name"] for obj in one.objects if obj["kind"] == kind}


KINDS = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@pytest.mark.parametrize(
    ("stack", "more"),
    [
        ("portal", set()),
        ("kubeflow-pipelines", set()),
        ("training", {"mlstack-portal-experiments", "mlstack-portal-trainjobs"}),
        ("knative", {"mlstack-portal-experiments", "mlstack-portal-trainjobs"}),
    ],
)
def test_each_kind_of_samples_has_a_right_and_a_rule(workshop: Workshop, stack: str, more: set[str]) -> None:
    one = portal_of(workshop, stack)
    for kind in KINDS:
        assert names(one, kind) == {"mlstack-portal", *more}
    for role in (obj for obj in one.objects if obj["kind"] == "ClusterRole" and obj["metadata"]["name"] in more):
        (rule,) = role["rules"]
        assert rule["verbs"] == ["create", "get", "list", "watch"] and "*" not in [
            *rule["apiGroups"],
            *rule["resources"],
        ]
        policy = next(
            obj
            for obj in one.objects
            if (obj["kind"], obj["metadata"]["name"]) == ("ValidatingAdmissionPolicy", role["metadata"]["name"])
        )
        (constraint,) = policy["spec"]["matchConstraints"]["resourceRules"]
        assert (constraint["apiGroups"], constraint["resources"]) == (rule["apiGroups"], rule["resources"])
        assert policy["spec"]["failurePolicy"] == "Fail"


def test_only_accounts_of_samples_are_let_through(workshop: Workshop) -> None:
    def accounts(stack: str) -> list[str]:
        policy = next(
            obj
            for obj in portal_of(workshop, stack).objects
            if (obj["kind"], obj["metadata"]["name"]) == ("ValidatingAdmissionPolicy", "mlstack-portal")
        )
        text = policy["spec"]["validations"][2]["expression"]
        found: list[str] = json.loads(re.search(r"serviceAccountName in (\[[^]]*\])", text)[1])  # type: ignore[index]
        return found

    assert accounts("portal") == []
    assert accounts("kserve") == ["model-deployer"]


def test_it_is_told_where_pipelines_run(workshop: Workshop) -> None:
    def offer(stack: str) -> dict[str, Any]:
        config = next(obj for obj in portal_of(workshop, stack).objects if obj["kind"] == "ConfigMap")
        found: dict[str, Any] = json.loads(config["data"]["offer.json"])
        return found

    assert offer("portal")["pipelines"] is None
    told = offer("kubeflow-pipelines")
    assert (told["pipelines"]["service"], told["pipelines"]["port"]) == ("ml-pipeline", "8888")
    offered = {one["document"]["metadata"]["name"] for one in told["platform"]["samples"]}
    version = CATALOGUE.versions("kubeflow-pipelines")[-1]
    assert offered == set(samples_of(workshop.select("kubeflow-pipelines", version)))
