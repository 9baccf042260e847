"""What the collector of metrics finds in its image beside itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from contract_data import FACTS, Workshop

VERSION = "0.19.0"
CHILDREN = Path(__file__).parents[2] / "stacks/katib/0.19.0/image/children.sh"


def children(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(CHILDREN), *argv], capture_output=True, text=True, check=False, timeout=30)


def test_it_tells_the_children_of_a_process_and_no_others() -> None:
    waits = "one = subprocess.Popen(['sleep', '60']); print(one.pid, flush=True); sys.stdin.read(); one.kill()"
    program = f"import subprocess, sys; {waits}"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        child = parent.stdout.readline().strip()
        found, none = children("-P", str(parent.pid)), children("-P", child)
        parent.stdin.close()
    assert (found.stdout.split(), found.returncode) == ([child], 0)
    assert (none.stdout, none.returncode) == ("", 1)


@pytest.mark.parametrize("argv", [[], ["-f", "sleep"], ["-P"], ["-P", "1", "2"]])
def test_it_refuses_what_it_cannot(argv: list[str]) -> None:
    assert children(*argv).returncode == 2


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
def test_an_experiment_that_goes_is_not_held_up(workshop: Workshop, kind: str) -> None:
    """Losing its finalizer is an update, which the controller refuses in a namespace that is no longer one for trials."""
    rendered = workshop.render("katib", VERSION, FACTS)
    (found,) = (obj for obj in rendered.objects if obj["kind"] == kind)
    hooks = [one for one in found["webhooks"] if any("UPDATE" in rule["operations"] for rule in one["rules"])]
    assert hooks
    for one in hooks:
        assert "!has(object.metadata.deletionTimestamp)" in [each["expression"] for each in one["matchConditions"]]


def suggestions(workshop: Workshop, **params: object) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    rendered = workshop.render("katib", VERSION, FACTS, **params)
    (config,) = (
        obj for obj in rendered.objects if obj["kind"] == "ConfigMap" and obj["metadata"]["name"] == "katib-config"
    )
    found = yaml.safe_load(config["data"]["katib-config.yaml"])["runtime"]["suggestions"]
    assert len({one["algorithmName"] for one in found}) == len(found), "Katib takes the first of two"
    return {one["algorithmName"]: one for one in found}


def test_every_algorithm_of_the_own_service_is_offered(workshop: Workshop) -> None:
    own = {name for name, one in suggestions(workshop).items() if "suggestion-optuna" in str(one["image"])}
    assert own == {"grid", "hyperband", "multivariate-tpe", "bayesianoptimization"}
    assert set(suggestions(workshop, optuna=["grid", "tpe"])) >= {"random", "tpe", "bayesianoptimization"}


def test_another_limit_of_searches_is_a_change_of_the_configuration_and_of_its_reader_alone(workshop: Workshop) -> None:
    before = workshop.render("katib", VERSION, FACTS).objects
    after = workshop.render("katib", VERSION, FACTS, suggestionMemoryLimit="640Mi").objects
    differ = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert {f"{one['kind']}/{one['metadata']['name']}" for one, _ in differ} == {
        "ConfigMap/katib-config", "Deployment/katib-controller"
    }  # fmt: skip
    limits = suggestions(workshop, suggestionMemoryLimit="640Mi").values()
    assert {one["resources"]["limits"]["memory"] for one in limits} == {"640Mi"}
