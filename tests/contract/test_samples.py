"""Every sample that is a workflow renders with every parameter value to one whose images exist and whose results are made."""

from __future__ import annotations

import ast
import importlib
import json
import re
from typing import Any

import pytest
from contract_data import CATALOGUE, ENTRIES, FACTS, Workshop, variations

from mlstack.core.errors import MlstackError, Problems
from mlstack.core.sample import sample_object

SAMPLES = [
    (name, version, sample.metadata.name)
    for name, version in ENTRIES
    for sample in CATALOGUE.entry(name, version).samples
    if sample.spec.runner == "workflow"
]
pytestmark = pytest.mark.parametrize(("stack", "version", "name"), SAMPLES, ids=["-".join(item) for item in SAMPLES])


def steps(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {template["name"]: template for template in obj["spec"]["templates"]}


def runnable(obj: dict[str, Any]) -> list[dict[str, Any]]:
    return [step.get("container") or step.get("script") for step in steps(obj).values() if "dag" not in step]


def make(workshop: Workshop, stack: str, version: str, name: str, **params: Any) -> dict[str, Any]:
    return sample_object(workshop.offer(stack, version, name), name, params, FACTS)[0]


def the_sample(stack: str, version: str, name: str):
    return next(s for s in CATALOGUE.entry(stack, version).samples if s.metadata.name == name)


def test_every_param_reaches_the_workflow(workshop: Workshop, stack: str, version: str, name: str) -> None:
    sample = the_sample(stack, version, name)
    plain = make(workshop, stack, version, name)
    tried = variations(sample.spec.params)
    assert {key for params in tried for key in params} == sample.spec.params.keys()
    for params in tried:
        assert make(workshop, stack, version, name, **params) != plain
    for argument in plain["spec"]["arguments"]["parameters"]:
        assert isinstance(argument["value"], str), "Argo takes strings; a bare number or yes would change its type"


def test_images_exist_and_are_named(workshop: Workshop, stack: str, version: str, name: str) -> None:
    sample = the_sample(stack, version, name)
    listed = {image.ref for image in CATALOGUE.entry(stack, version).document.spec.images}
    used = {container["image"] for container in runnable(make(workshop, stack, version, name))}
    assert used == set(sample.spec.image_refs) <= listed


def test_steps_are_confined_and_need_no_registry(workshop: Workshop, stack: str, version: str, name: str) -> None:
    for container in runnable(make(workshop, stack, version, name)):
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["command"], "without one Argo asks a registry for the image's entrypoint"
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_no_parameter_is_pasted_into_a_program(workshop: Workshop, stack: str, version: str, name: str) -> None:
    for container in runnable(make(workshop, stack, version, name)):
        assert "{{" not in json.dumps([container.get("args"), container.get("source"), container["command"]])


def test_results_name_outputs_that_a_step_makes(workshop: Workshop, stack: str, version: str, name: str) -> None:
    sample = the_sample(stack, version, name)
    made = steps(make(workshop, stack, version, name))
    assert sample.spec.results
    for where in sample.spec.results.values():
        match = re.fullmatch(r"(parameter|artifact):([\w-]+)/([\w-]+)", where)
        assert match, where
        outputs = made[match[2]]["outputs"][f"{match[1]}s"]
        assert match[3] in [output["name"] for output in outputs]


def test_python_steps_compile(workshop: Workshop, stack: str, version: str, name: str) -> None:
    for container in runnable(make(workshop, stack, version, name)):
        if container["command"] == ["python3"]:
            tree = ast.parse(container["source"], name)
            # of our own packages in the step's image; other imports are the image's
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mlstack_"):
                    module = importlib.import_module(str(node.module))
                    for one in node.names:
                        assert getattr(module, one.name).__module__ == node.module, f"{one.name} is of another module"


def test_wrong_parameters_are_named_all_at_once(workshop: Workshop, stack: str, version: str, name: str) -> None:
    declared = next(iter(the_sample(stack, version, name).spec.params))
    with pytest.raises(Problems) as caught:
        make(workshop, stack, version, name, **{declared: ["x"], declared + "x": 1})
    assert sorted(problem.code for problem in caught.value.problems) == ["config.bad-param", "config.unknown-param"]
    with pytest.raises(MlstackError, match="no sample"):
        sample_object(workshop.select(stack, version), name[:-1], {}, FACTS)
