"""The operator of the first training jobs: small rights, confined additions to users' pods, its sample."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from contract_data import FACTS, Workshop

from mlstack.core.jobsv1 import read_jobs
from mlstack.core.sample import sample_object
from mlstack.core.trainjob import migrate
from mlstack.core.yamldoc import examine_all

NAME, VERSION = "training-operator", "1.9.4"
UPSTREAM = "validator.training-operator.kubeflow.org"
"""The webhook configuration into which the operator would write an authority of its own."""


@pytest.fixture(scope="module")
def objects(workshop: Workshop) -> list[dict[str, Any]]:
    return list(workshop.render(NAME, VERSION).objects)


@pytest.fixture(scope="module")
def job(workshop: Workshop) -> dict[str, Any]:
    return sample_object(workshop.select(NAME, VERSION), "train-pytorchjob", {"workers": 3, "steps": 7}, FACTS)[0]


def of(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def test_it_reads_no_secrets_of_others_and_runs_no_commands_in_pods(objects: list[dict[str, Any]]) -> None:
    granted = [
        (rule, res) for role in of(objects, "ClusterRole") for rule in role["rules"] for res in rule["resources"]
    ]
    assert granted and not [res for _, res in granted if res in ("secrets", "pods/exec", "roles", "rolebindings", "*")]
    writes = {"create", "update", "patch", "delete"}
    assert not [rule for rule, res in granted if res == "validatingwebhookconfigurations" and writes & {*rule["verbs"]}]
    (role,) = of(objects, "Role")
    changing = [rule for rule in role["rules"] if writes & {*rule["verbs"]}]
    assert [rule["resourceNames"] for rule in changing] == [["training-operator-own"]]


def test_the_platforms_certificate_is_served_and_stays(objects: list[dict[str, Any]]) -> None:
    (deployment,) = of(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    read = {one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
    assert read == {"training-operator-webhook"}, "a Secret that the operator writes would make new pods at each up"
    assert "--webhook-secret-name=training-operator-own" in pod["containers"][0]["args"]
    (hooks,) = of(objects, "ValidatingWebhookConfiguration")
    assert hooks["metadata"]["name"] != UPSTREAM, "the operator would write into it"
    guarded = {res for hook in hooks["webhooks"] for rule in hook["rules"] for res in rule["resources"]}
    served = {one.split("=")[1] + "s" for one in pod["containers"][0]["args"] if one.startswith("--enable-scheme=")}
    defined = {one["spec"]["names"]["plural"] for one in of(objects, "CustomResourceDefinition")}
    assert guarded == served == defined
    for hook in hooks["webhooks"]:
        (resource,) = hook["rules"][0]["resources"]
        assert hook["clientConfig"]["service"]["path"] == f"/validate-kubeflow-org-v1-{resource[:-1]}"


def test_what_waits_in_users_pods_is_confined(objects: list[dict[str, Any]]) -> None:
    (config,) = of(objects, "ConfigMap")
    text = config["data"]["initContainer.yaml"]
    assert "<" not in text, "the operator reads it as HTML"
    assert text.count("{{.MasterAddr}}") == 2 and text.count("{{.MaxTries}}") == 1
    (container,) = yaml.safe_load(text.replace("{{.MaxTries}}", "3").replace("{{.MasterAddr}}", "there"))
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]} and security["seccompProfile"]["type"] == "RuntimeDefault"
    assert security["runAsNonRoot"] and not security["allowPrivilegeEscalation"] and security["readOnlyRootFilesystem"]
    assert container["resources"]["limits"]["memory"]


def test_the_samples_parameters_reach_it_and_its_program_compiles(job: dict[str, Any]) -> None:
    roles = job["spec"]["pytorchReplicaSpecs"]
    assert (roles["Master"]["replicas"], roles["Worker"]["replicas"]) == (1, 3)
    for role in roles.values():
        (container,) = role["template"]["spec"]["containers"]
        env = {one["name"]: one["value"] for one in container["env"]}
        assert container["name"] == "pytorch" and env["STEPS"] == "7"
        compile(env["PROGRAM"], "train.py", "exec")
        assert role["template"]["spec"]["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_sample_is_a_trainjob_without_a_loss(job: dict[str, Any]) -> None:
    named = {**job, "metadata": {"name": "mine", "namespace": "ann"}}
    (document,) = examine_all(yaml.safe_dump(named))
    (read,), problems = read_jobs(document)
    found = migrate(read)
    assert problems == [] and found.trainjob and found.trainjob["spec"]["trainer"]["numNodes"] == 4
    assert [hint.path for hint in found.hints if "backoffLimit" not in hint.path] == [
        f"spec.pytorchReplicaSpecs.Master.template.spec.{key}"
        for key in ("automountServiceAccountToken", "enableServiceLinks")
    ], "the runtimes have these two as they are here"
