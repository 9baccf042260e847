"""Tekton: its images are where its controller calls them, its pods are confined, and the sample's tasks fit each other."""

from __future__ import annotations

import ast
import hashlib
import re
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, FACTS, Workshop

from mlstack.core.sample import find_sample, sample_object

NAME, VERSION = "tekton", "1.15.0"
MODULE = "github.com/tektoncd/pipeline"
IN_PODS = {"entrypoint", "nop", "sidecarlogresults", "workingdirinit"}


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def program(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (container,) = named(objects, "Deployment", f"tekton-{name}")["spec"]["template"]["spec"]["containers"]
    return dict(container)


def run_of(workshop: Workshop, **params: Any) -> dict[str, Any]:
    selection = workshop.offer(NAME, VERSION, "tekton-iris")
    return dict(sample_object(selection, "tekton-iris", params, FACTS)[0])


def tasks_of(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in run["spec"]["pipelineSpec"]["tasks"]}


def test_upstreams_images_are_called_by_the_paths_of_their_packages() -> None:
    """Upstream's builder puts a hash of the package's path behind each name; its controller calls the programs by /ko-app/NAME."""
    seen = set()
    for image in CATALOGUE.entry(NAME, VERSION).document.spec.images:
        if not image.ref.startswith("ghcr.io/"):
            continue
        assert image.build
        ((name, package),) = image.build.go[0].packages.items()
        digest = hashlib.md5(f"{MODULE}/cmd/{name}".encode(), usedforsecurity=False).hexdigest()
        assert (package, image.build.go[0].to) == (f"{MODULE}/cmd/{name}", "/ko-app")
        assert image.ref == f"ghcr.io/tektoncd/pipeline/{name}-{digest}:v{VERSION}"
        seen.add(name)
    assert seen == {"controller", "webhook", "resolvers", *IN_PODS}


def test_the_controller_is_told_every_image_that_it_puts_into_pods(objects: list[dict[str, Any]]) -> None:
    args = program(objects, "controller")["args"]
    told = {args[at].removesuffix("-image").strip("-"): args[at + 1] for at in range(1, len(args), 2)}
    for name in IN_PODS:
        assert told[name].rpartition("/")[2].startswith(f"{name}-")
    shell = next(one for one in CATALOGUE.entry(NAME, VERSION).document.spec.images if one.ref == told["shell"])
    assert shell.build and shell.build.user.split(":")[0].isdigit(), "the kubelet wants to see that it is not root"


def test_what_tekton_puts_into_pods_is_confined_and_bounded(objects: list[dict[str, Any]]) -> None:
    flags, defaults = (named(objects, "ConfigMap", name)["data"] for name in ("feature-flags", "config-defaults"))
    assert flags["set-security-context"] == flags["set-security-context-read-only-root-filesystem"] == "true"
    pod = yaml.safe_load(defaults["default-pod-template"])
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for room in yaml.safe_load(defaults["default-container-resource-requirements"]).values():
        assert room["requests"].keys() == {"cpu", "memory"} and "memory" in room["limits"]


@pytest.mark.parametrize("params", [{}, {"resolvers": ["git"], "sharedNamespaces": ["one", "two"]}])
def test_no_namespace_is_read_that_is_not_named(workshop: Workshop, params: dict[str, Any]) -> None:
    objects = list(workshop.render(NAME, VERSION, **params).objects)
    flags = named(objects, "ConfigMap", "resolvers-feature-flags")["data"]
    on = {name.split("-")[1] for name, value in flags.items() if value == "true"}
    assert on == set(params.get("resolvers", ["cluster"]))
    setting = named(objects, "ConfigMap", "cluster-resolver-config")["data"]
    assert setting["blocked-namespaces"] == "*"
    assert setting["allowed-namespaces"] == ",".join(params.get("sharedNamespaces", []))


def test_resolvers_reach_no_pod_of_the_platform(objects: list[dict[str, Any]]) -> None:
    policy = named(objects, "NetworkPolicy", "resolvers")["spec"]
    assert policy["policyTypes"] == ["Egress"]
    (block,) = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert {FACTS.provider.pod_cidr, "169.254.0.0/16"} <= set(block["except"])


def test_only_the_controller_sees_secrets(objects: list[dict[str, Any]]) -> None:
    seen = {
        (role["kind"], role["metadata"]["name"], *sorted(rule["verbs"]))
        for role in objects
        if role["kind"] in ("ClusterRole", "Role")
        for rule in role["rules"]
        if "secrets" in rule["resources"]
    }
    assert seen == {
        ("ClusterRole", "tekton-controller", "get", "list", "watch"),
        ("Role", "tekton-webhook", "list", "watch"),
        ("Role", "tekton-webhook", "get", "update"),
    }


def test_the_samples_results_are_passed_from_task_to_task(workshop: Workshop) -> None:
    run = run_of(workshop, strength=2.5, testShare=0.4, seed=7, wanted=0.9)
    assert {one["name"]: one["value"] for one in run["spec"]["params"]} == {
        "strength": "2.5",
        "test-share": "0.4",
        "seed": "7",
        "wanted": "0.9",
    }
    tasks = tasks_of(run)
    told = {(name, one["name"]) for name, task in tasks.items() for one in task["taskSpec"]["results"]}
    used = re.findall(r"\$\(tasks\.([\w-]+)\.results\.([\w-]+)\)", str(run))
    assert set(used) == told, "each result is of use, and there"
    sample = find_sample(workshop.offer(NAME, VERSION, "tekton-iris"), "tekton-iris")[1].spec
    results = {one["name"] for one in run["spec"]["pipelineSpec"]["results"]}
    assert {re.findall(r"name=([\w-]+)", where)[0] for where in sample.results.values()} == results
    for task in tasks.values():
        params = {one["name"] for one in task["params"]}
        assert params == {one["name"] for one in task["taskSpec"]["params"]}
        assert params == set(re.findall(r"\$\(params\.([\w-]+)\)", str(task["taskSpec"]["steps"])))


def test_the_samples_programs_write_the_results_and_are_confined(workshop: Workshop) -> None:
    run = run_of(workshop)
    sample = find_sample(workshop.offer(NAME, VERSION, "tekton-iris"), "tekton-iris")[1].spec
    assert sample.follow and run["spec"]["taskRunTemplate"]["podTemplate"]["securityContext"]["runAsNonRoot"]
    for task in tasks_of(run).values():
        (step,) = task["taskSpec"]["steps"]
        assert f"step-{step['name']}" == sample.follow.container
        assert step["command"] == ["python3", "-c"], "no registry tells the command of a bundled image"
        assert "$(" not in step["args"][0], "no value becomes a part of a program"
        words = {node.arg for node in ast.walk(ast.parse(step["args"][0])) if isinstance(node, ast.keyword)}
        assert {one["name"] for one in task["taskSpec"]["results"]} <= words
        assert step["securityContext"]["readOnlyRootFilesystem"] and "memory" in step["computeResources"]["limits"]
