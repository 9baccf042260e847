"""Every sample that is a pipeline renders with every parameter value to a form that the server's own schema takes, whose images
exist, whose programs compile and whose results some step makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_data import CATALOGUE, ENTRIES, FACTS, Workshop, variations
from google.protobuf import json_format

from mlstack.core.pipelinerun import is_result
from mlstack.core.sample import sample_object
from tests.pinned import add_to_path

add_to_path("pipelines", "googleapis-common-protos", "kfp-pipeline-spec")
from kfp.pipeline_spec import pipeline_spec_pb2  # noqa: E402 - found where the line before has put it

SAMPLES = [
    (name, version, sample)
    for name, version in ENTRIES
    for sample in CATALOGUE.entry(name, version).samples
    if sample.spec.runner == "pipeline"
]
pytestmark = pytest.mark.parametrize(
    ("stack", "version", "sample"), SAMPLES, ids=[one[2].metadata.name for one in SAMPLES]
)


def make(workshop: Workshop, stack: str, version: str, sample: Any, **params: Any) -> dict[str, Any]:
    return sample_object(workshop.select(stack, version), sample.metadata.name, params, FACTS)[0]["spec"]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["container"] for one in spec["pipeline"]["deploymentSpec"]["executors"].values()]


def dags(pipeline: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["dag"] for one in (pipeline["root"], *pipeline["components"].values()) if "dag" in one]


def test_every_param_reaches_the_pipeline(workshop: Workshop, stack: str, version: str, sample: Any) -> None:
    plain = make(workshop, stack, version, sample)
    tried = variations(sample.spec.params)
    assert {key for params in tried for key in params} == sample.spec.params.keys()
    for params in tried:
        assert make(workshop, stack, version, sample, **params) != plain
    assert plain["parameters"].keys() == plain["pipeline"]["root"]["inputDefinitions"]["parameters"].keys()


def test_the_form_is_what_the_server_parses(workshop: Workshop, stack: str, version: str, sample: Any) -> None:
    pipeline = make(workshop, stack, version, sample)["pipeline"]
    parsed = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    assert parsed.schema_version == "2.1.0"
    executors = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(pipeline["deploymentSpec"], executors)
    assert set(executors.executors) == {
        one["executorLabel"] for one in pipeline["components"].values() if "executorLabel" in one
    }


def test_tasks_name_what_is_there(workshop: Workshop, stack: str, version: str, sample: Any) -> None:
    pipeline = make(workshop, stack, version, sample)["pipeline"]
    for dag in dags(pipeline):
        for name, task in dag["tasks"].items():
            component = pipeline["components"][task["componentRef"]["name"]]
            assert task["taskInfo"]["name"] == name
            assert set(task.get("dependentTasks", [])) <= dag["tasks"].keys()
            given = {*task.get("inputs", {}).get("parameters", {}), *task.get("inputs", {}).get("artifacts", {})}
            given |= {task["parameterIterator"]["itemInput"]} if "parameterIterator" in task else set()
            defined = component.get("inputDefinitions", {})
            assert given == {*defined.get("parameters", {}), *defined.get("artifacts", {})}, name
            for kind, key, outputs in (
                ("taskOutputArtifact", "outputArtifactKey", "artifacts"),
                ("taskOutputParameter", "outputParameterKey", "parameters"),
            ):
                for one in [*task.get("inputs", {}).get(outputs, {}).values()]:
                    if kind in one:
                        producer = pipeline["components"][
                            dag["tasks"][one[kind]["producerTask"]]["componentRef"]["name"]
                        ]
                        assert one[kind][key] in producer["outputDefinitions"][outputs]


def test_images_exist_and_are_named(workshop: Workshop, stack: str, version: str, sample: Any) -> None:
    listed = {image.ref for image in CATALOGUE.entry(stack, version).document.spec.images}
    used = {one["image"] for one in containers(make(workshop, stack, version, sample))}
    assert used == set(sample.spec.image_refs) <= listed


def test_programs_compile_and_no_value_is_pasted_into_one(
    workshop: Workshop, stack: str, version: str, sample: Any
) -> None:
    for one in containers(make(workshop, stack, version, sample)):
        assert one["command"] == ["python3", "-c"]
        program, *values = one["args"]
        compile(program, sample.metadata.name, "exec")
        assert "{{" not in program.replace("{{}}", "")
        assert all(value.startswith("{{$") and value.endswith("}}") for value in values)


def test_results_name_outputs_that_a_step_makes(workshop: Workshop, stack: str, version: str, sample: Any) -> None:
    pipeline = make(workshop, stack, version, sample)["pipeline"]
    made = {
        f"{kind}:{name}/{output}"
        for dag in dags(pipeline)
        for name, task in dag["tasks"].items()
        for kind in ("parameter", "artifact")
        for output in pipeline["components"][task["componentRef"]["name"]]
        .get("outputDefinitions", {})
        .get(f"{kind}s", {})
    }
    assert sample.spec.results
    for where in sample.spec.results.values():
        assert is_result(where)
        wanted = where.partition(".")[0].replace("metric:", "artifact:")
        assert where == "count:cached" or wanted in made, where
        assert not where.startswith("metric:") or f'"{where.rpartition(".")[2]}":' in json.dumps(pipeline).replace(
            '\\"', '"'
        )
