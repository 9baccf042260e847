"""Every container at every parameter value: requests, limit, probes, confinement; exceptions are listed and in use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from contract_data import CATALOGUE, ENTRIES, ROOT, Workshop, variations

from mlstack.core.catalogue import Entry
from mlstack.core.desired import RenderedStack
from mlstack.core.kinds import containers, pod_template

Rule = Callable[[dict[str, Any], dict[str, Any]], bool]
SERVERS = {"Deployment", "StatefulSet", "DaemonSet"}
SECRET_NAME = re.compile(r"(?i)pass(word|wd)?|secret|token|credential|(access|api|private).?key")
SECRET_TEXT = re.compile(
    r"(?im)^\s*[\w.-]*(password|passwd|secret_?key|token|api_?key)\s*[:=]\s*[\"']?[A-Za-z0-9+/=_-]{4,}"
)


def has_requests(_spec, container) -> bool:
    return {"cpu", "memory"} <= (container.get("resources", {}).get("requests") or {}).keys()


def has_memory_limit(_spec, container) -> bool:
    return "memory" in (container.get("resources", {}).get("limits") or {})


def is_non_root(spec, container) -> bool:
    merged = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    return merged.get("runAsNonRoot") is True and merged.get("runAsUser") != 0


def has_seccomp(spec, container) -> bool:
    merged = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    return merged.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost")


def own(container, field: str) -> Any:
    return (container.get("securityContext") or {}).get(field)


RULES: dict[str, Rule] = {
    "requests": has_requests,
    "memory-limit": has_memory_limit,
    "non-root": is_non_root,
    "seccomp": has_seccomp,
    "read-only-root": lambda _, container: own(container, "readOnlyRootFilesystem") is True,
    "no-escalation": lambda _, container: own(container, "allowPrivilegeEscalation") is False,
    "capabilities": lambda _, container: (own(container, "capabilities") or {}).get("drop") == ["ALL"],
    "pull-policy": lambda _, container: container.get("imagePullPolicy") == "IfNotPresent",
}


def all_renderings(workshop: Workshop, entry: Entry) -> list[RenderedStack]:
    return [
        workshop.render(entry.name, entry.version, **params) for params in [{}, *variations(entry.document.spec.params)]
    ]


def broken_rules(stack: RenderedStack) -> Iterator[tuple[str, str]]:
    """(stack/Kind/name/container, rule) for everything that does not hold."""
    for obj in stack.objects:
        template = pod_template(obj)
        for group, container in containers(template or {}):
            name = f"{stack.name}/{obj['kind']}/{obj['metadata']['name']}/{container['name']}"
            for rule, holds in RULES.items():
                if not holds(template["spec"], container):
                    yield name, rule
            probed = {"readinessProbe", "livenessProbe"} <= container.keys()
            if obj["kind"] in SERVERS and group == "containers" and not probed:
                yield name, "probes"


def exceptions() -> dict[tuple[str, str], str]:
    listed = yaml.safe_load((ROOT / "stacks" / "exceptions.yaml").read_text())["exceptions"]
    return {(item["workload"], item["rule"]): item["reason"] for item in listed}


def test_every_container_is_confined_or_a_listed_exception(workshop: Workshop, entry: Entry) -> None:
    broken = {found for stack in all_renderings(workshop, entry) for found in broken_rules(stack)}
    assert not sorted(broken - exceptions().keys())


def test_every_exception_is_needed_and_has_a_reason(workshop: Workshop) -> None:
    entries = [CATALOGUE.entry(*pair) for pair in ENTRIES]
    broken = {found for entry in entries for stack in all_renderings(workshop, entry) for found in broken_rules(stack)}
    assert not sorted(exceptions().keys() - broken), "delete these exceptions"
    assert all(len(reason) > 20 for reason in exceptions().values())


def test_the_rules_find_what_is_wrong() -> None:
    bare = {"name": "main", "image": "x"}
    assert [name for name, holds in RULES.items() if holds({}, bare)] == []


def test_pods_do_not_get_a_token_they_do_not_need(rendered: RenderedStack) -> None:
    for obj in rendered.objects:
        template = pod_template(obj)
        if template:
            spec = template["spec"]
            assert spec.get("automountServiceAccountToken") is False or spec.get("serviceAccountName"), obj["metadata"]


def test_every_namespace_with_pods_refuses_strangers(workshop: Workshop, entry: Entry, rendered: RenderedStack) -> None:
    """A policy that selects every pod of the namespace exists, of whichever stack, so that only what is named gets in."""
    with_pods = {obj["metadata"]["namespace"] for obj in rendered.objects if pod_template(obj)}
    closed = {
        obj["metadata"]["namespace"]
        for one in workshop.render_all(entry.name, entry.version)
        for obj in one.objects
        if obj["kind"] == "NetworkPolicy" and not obj["spec"]["podSelector"] and "Ingress" in obj["spec"]["policyTypes"]
    }
    assert with_pods <= closed


def test_a_network_policy_speaks_of_one_direction(workshop: Workshop, entry: Entry, rendered: RenderedStack) -> None:
    """kube-router holds the rules of a policy in one chain: into a pod it lets also what the same policy lets out of another."""
    both = [
        obj["metadata"]["name"]
        for obj in rendered.objects
        if obj["kind"] == "NetworkPolicy" and obj["spec"].get("ingress") and obj["spec"].get("egress")
    ]
    assert both == []


def test_no_constant_credentials(workshop: Workshop, entry: Entry) -> None:
    for stack in all_renderings(workshop, entry):
        assert [obj for obj in stack.objects if obj["kind"] == "Secret"] == []
        for obj in stack.objects:
            for _, container in containers(pod_template(obj) or {}):
                for variable in container.get("env") or []:
                    named = SECRET_NAME.search(variable["name"]) and not variable["name"].endswith("_FILE")
                    switch = variable.get("value") in (
                        "true",
                        "false",
                    )  # whether something is done with secrets is none
                    assert switch or not (named and variable.get("value")), f"{container['name']}: {variable['name']}"
            if obj["kind"] == "ConfigMap":
                for key, text in (obj.get("data") or {}).items():
                    assert not SECRET_TEXT.search(text), f"{obj['metadata']['name']}: {key}"
    for secret in entry.document.spec.secrets:
        assert not [key for key in secret.literals if SECRET_NAME.search(key)]
    for image in entry.document.spec.images:
        assert not [key for key in (image.build.env if image.build else {}) if SECRET_NAME.search(key)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("password: hunter22", True),
        ("  DB_PASSWORD=hunter22", True),
        ("secretKey: {name: argo-artifacts, key: secretkey}", False),
        ("passwordSecret: {name: argo-database, key: password}", False),
    ],
)
def test_the_search_for_credentials_finds_them(text: str, found: bool) -> None:
    assert bool(SECRET_TEXT.search(text)) is found
