"""Katib of upstream's own services: what is other than in the version that is built, and what its pages may do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop
from pydantic import ValidationError

from mlstack.core.authzmatch import Request, policy_applies
from mlstack.core.desired import RenderedStack
from mlstack.core.model import Object, ResourceId
from mlstack.core.people import People, Profile
from mlstack.core.resolve import Choice, resolve
from mlstack.core.stackfile import Manifests

OWN, VERSION = "0.19.0", "0.19.0-upstream"
TWO = replace(FACTS, people=People(profiles=(Profile("ann", "ann@lab"), Profile("bob", "bob@lab"))))


@pytest.fixture(scope="module")
def rendered(workshop: Workshop) -> RenderedStack:
    return workshop.render("katib", VERSION, TWO)


def by_name(rendered: RenderedStack) -> dict[str, Object]:
    return {str(ResourceId.of(obj)): obj for obj in rendered.objects}


def config(rendered: RenderedStack) -> dict[str, Any]:
    (found,) = (obj for name, obj in by_name(rendered).items() if name.endswith("katib-config"))
    runtime: dict[str, Any] = yaml.safe_load(found["data"]["katib-config.yaml"])["runtime"]
    return runtime


def test_it_is_the_built_version_with_other_services_and_pages(workshop: Workshop, rendered: RenderedStack) -> None:
    own, upstream = by_name(workshop.render("katib", OWN, TWO)), by_name(rendered)
    assert own.keys() <= upstream.keys()
    assert all("katib-ui" in name or "for-pages" in name for name in upstream.keys() - own.keys())
    # the controller's pod bears a hash of its configuration
    differ = {name for name, obj in own.items() if without_version(upstream[name]) != without_version(obj)}
    assert differ == {"ConfigMap/katib/katib-config", "Deployment/katib/katib-controller"}


def without_version(obj: Object) -> Object:
    labels = {key: value for key, value in obj["metadata"].get("labels", {}).items() if "version" not in key}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def test_every_algorithm_is_upstreams(workshop: Workshop, rendered: RenderedStack) -> None:
    runtime = config(rendered)
    found = {one["algorithmName"]: one["image"].rpartition("/")[2].partition(":")[0] for one in runtime["suggestions"]}
    assert len(found) == len(runtime["suggestions"]), "Katib takes the first of two"
    assert {name.removeprefix("suggestion-") for name in found.values()} == {
        *("hyperopt", "optuna", "goptuna", "skopt", "hyperband", "pbt", "enas", "darts")
    }
    own = config(workshop.render("katib", OWN, TWO))["suggestions"]
    assert {one["algorithmName"] for one in own} | {"pbt", "enas", "darts"} == found.keys()
    writable = [one for one in runtime["suggestions"] if not one["securityContext"]["readOnlyRootFilesystem"]]
    assert [one["algorithmName"] for one in writable] == ["enas"]
    (population,) = (one for one in runtime["suggestions"] if "persistentVolumeClaimSpec" in one)
    assert (population["algorithmName"], population["volumeMountPath"]) == ("pbt", "/opt/katib/data")


def test_its_pages_have_rights_in_profiles_alone(rendered: RenderedStack) -> None:
    objects = list(by_name(rendered).values())
    subject = {"kind": "ServiceAccount", "name": "katib-ui", "namespace": "katib"}
    bound = [obj for obj in objects if obj["kind"].endswith("Binding") and subject in obj.get("subjects", ())]
    rules = {(obj["kind"], obj["metadata"]["name"]): obj["rules"] for obj in objects if obj["kind"].endswith("Role")}
    may = {
        (obj["metadata"].get("namespace", ""), verb, resource)
        for obj in bound
        for rule in rules[obj["roleRef"]["kind"], obj["roleRef"]["name"]]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    everywhere = {(verb, resource) for space, verb, resource in may if not space}
    assert everywhere == {("create", "subjectaccessreviews"), ("list", "namespaces")}
    assert {resource for space, _, resource in may if space == "katib"} == {"experiments"}
    assert {space for space, *_ in may} == {"", "katib", "ann", "bob"}
    assert not {"secrets", "configmaps", "*"} & {word for one in may for word in one}


def test_its_pages_ask_who_may_and_only_the_gateway_reaches_them(rendered: RenderedStack) -> None:
    objects = by_name(rendered)
    (container,) = objects["Deployment/katib/katib-ui"]["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert (env["APP_DISABLE_AUTH"], env["USERID_HEADER"], env["USERID_PREFIX"]) == ("false", "kubeflow-userid", "")
    (port,) = container["ports"]
    others = [port["port"] for name in ("controller", "db-manager") for port in ports(objects, name)]
    assert port["containerPort"] not in others and ports(objects, "katib-ui") == [{"port": port["containerPort"]}]


def ports(objects: dict[str, Object], name: str) -> list[dict[str, int]]:
    return [port for rule in objects[f"NetworkPolicy/katib/{name}"]["spec"]["ingress"] for port in rule["ports"]]


@pytest.mark.parametrize(
    ("method", "path", "refused"),
    [
        ("GET", "/katib/delete_experiment/?experimentName=x&namespace=ann", True),
        ("HEAD", "/katib/create_experiment/", True),
        ("DELETE", "/katib/delete_experiment/?experimentName=x&namespace=ann", False),
        ("POST", "/katib/create_experiment/", False),
        ("GET", "/katib/fetch_experiments/?namespace=ann", False),
        ("GET", "/katib/", False),
    ],
)
def test_a_link_changes_nothing(rendered: RenderedStack, method: str, path: str, refused: bool) -> None:
    (policy,) = (obj for obj in rendered.objects if obj["kind"] == "AuthorizationPolicy")
    asked = Request("lab:8443", 8443, path.partition("?")[0], method=method)
    assert bool(policy_applies(policy, asked)) is refused


def test_there_are_no_pages_where_there_is_no_login(workshop: Workshop) -> None:
    choices = {"katib": Choice(version=VERSION, enabled=True)}
    selection = resolve(CATALOGUE, workshop.release, "minimal", choices=choices)
    (one,) = (one for one in workshop.renderer.render(selection, FACTS) if one.name == "katib")
    assert one.objects and not [obj for obj in one.objects if "katib-ui" in obj["metadata"]["name"]]
    assert one.endpoints == () and "ghcr.io/kubeflow/katib/katib-ui:v0.19.0" not in {image.ref for image in one.images}


@pytest.mark.parametrize("templates", ["../../minio/1.0.0/templates", "..", "../templates", "/etc", "../1.0.0/../x"])
def test_templates_are_shared_between_versions_of_a_stack_alone(templates: str) -> None:
    with pytest.raises(ValidationError):
        Manifests(templates=templates)


def test_what_is_shared_is_read_once_for_each_version() -> None:
    own, upstream = CATALOGUE.entry("katib", OWN), CATALOGUE.entry("katib", VERSION)
    shared = {name: text for name, text in upstream.templates.items() if name.startswith("../")}
    assert shared == {
        f"../{OWN}/{name}": text for name, text in own.templates.items() if name.startswith("templates/common/")
    }
    assert upstream.patches == own.patches and len(upstream.samples) == len(own.samples)
