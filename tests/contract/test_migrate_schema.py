"""TrainJobs made of older jobs are what the definition of TrainJob takes, and name runtimes that are there."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from contract_data import CATALOGUE, Workshop

from mlstack.core.jobsv1 import FORMS, read_jobs
from mlstack.core.trainjob import MANAGER, NODE, RUNTIMES, migrate
from mlstack.core.yamldoc import examine_all

STACK = "training"
POD: dict[str, Any] = {
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "serviceAccountName": "trainer",
    "imagePullSecrets": [{"name": "registry"}],
    "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "terminationGracePeriodSeconds": 5,
}
CONTAINER: dict[str, Any] = {
    "image": "reg/x:1",
    "command": ["python3", "/a.py"],
    "args": ["--fast"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    "securityContext": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False},
}


def closed(schema: Any) -> Any:
    """The schema as the API server reads it strictly: fields that it does not know are an error."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.pop("x-kubernetes-int-or-string", False):
        return {key: value for key, value in found.items() if key != "type"} | {"type": ["integer", "string"]}
    known = "properties" in found and isinstance(schema.get("type"), str)
    return found | ({"additionalProperties": False} if known and "additionalProperties" not in found else {})


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    (version,) = CATALOGUE.versions(STACK)
    return list(workshop.render(STACK, version).objects)


@pytest.mark.parametrize("kind", RUNTIMES)
def test_what_is_made_fits_the_definition(objects: list[dict[str, Any]], kind: str) -> None:
    definition = next(one for one in objects if one["metadata"]["name"] == "trainjobs.trainer.kubeflow.org")
    (version,) = definition["spec"]["versions"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    form = FORMS[kind]
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {**POD, "containers": [{"name": form.container, **CONTAINER}]},
    }
    roles = {"Worker": {"replicas": 2, "template": template}}
    job = {
        "apiVersion": form.versions[0],
        "kind": kind,
        "metadata": {"name": "mine", "namespace": "ann"},
        "spec": {
            form.replicas: roles,
            "runPolicy": {"suspend": False, "activeDeadlineSeconds": 60},
            "nprocPerNode": "2",
        },
    }
    (document,) = examine_all(yaml.safe_dump(job))
    (read,), problems = read_jobs(document)
    made = migrate(read).trainjob
    assert (
        problems == [] and made and {*made["spec"]} >= {"trainer", "runtimePatches", "suspend", "activeDeadlineSeconds"}
    )
    jsonschema.validate(made, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**made, "spec": {**made["spec"], "novelty": 1}}, schema)


def test_the_runtimes_are_there(objects: list[dict[str, Any]]) -> None:
    runtimes = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ClusterTrainingRuntime"}
    assert set(RUNTIMES.values()) <= runtimes.keys()
    for name in RUNTIMES.values():
        (replicated,) = runtimes[name]["spec"]["template"]["spec"]["replicatedJobs"]
        (container,) = replicated["template"]["spec"]["template"]["spec"]["containers"]
        assert (replicated["name"], container["name"]) == (NODE, NODE)
    assert MANAGER.count("/") == 1
