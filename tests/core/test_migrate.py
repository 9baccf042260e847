"""Jobs of the first training operator as TrainJobs: what is the same, what is left out and said, and bad input."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack.core.errors import MlstackError
from mlstack.core.jobsv1 import FORMS, read_jobs
from mlstack.core.trainjob import Migrated, migrate
from mlstack.core.yamldoc import examine_all

CONFINED = {"runAsUser": 1000, "readOnlyRootFilesystem": True}


def role(container: str, replicas: int = 1, pod: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Pods of a role, confined and never restarted, so that nothing is to be said about them."""
    one = {"name": container, "image": "reg/x:1", "command": ["python3", "/a.py"], "securityContext": CONFINED, **more}
    return {
        "replicas": replicas,
        "restartPolicy": "Never",
        "template": {"spec": {"containers": [copy.deepcopy(one)], **(pod or {})}},
    }


def job(kind: str = "PyTorchJob", roles: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    form = FORMS[kind]
    roles = roles or {"Master": role(form.container), "Worker": role(form.container, 3)}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind,
        "metadata": {"name": "mine", "namespace": "ann"},
        "spec": {form.replicas: roles, **spec},
    }


def read(*objects: Any) -> tuple[list[Migrated], list[MlstackError]]:
    found, problems = [], []
    for document in examine_all(yaml.safe_dump_all(objects, sort_keys=False), "jobs.yaml"):
        jobs, wrong = read_jobs(document)
        found += [migrate(one) for one in jobs]
        problems += wrong
    return found, problems


def only(obj: Any) -> Migrated:
    found, problems = read(obj)
    assert problems == []
    return found[0]


def variables(migrated: Migrated) -> dict[str, Any]:
    assert migrated.trainjob
    env = migrated.trainjob["spec"]["trainer"].get("env", [])
    assert len({one["name"] for one in env}) == len(env)
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in env}


def told(migrated: Migrated) -> list[str]:
    return [hint.path.rpartition(".")[2] for hint in migrated.hints]


def pod_patch(migrated: Migrated) -> dict[str, Any]:
    assert migrated.trainjob
    (patch,) = migrated.trainjob["spec"]["runtimePatches"]
    (replicated,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert "/" in patch["manager"] and replicated["name"] == "node"
    found: dict[str, Any] = replicated["template"]["spec"]["template"]
    return found


def test_a_pytorchjob_is_a_trainjob_of_as_many_nodes() -> None:
    more = {"args": ["--fast"], "resources": {"requests": {"cpu": "2"}}, "env": [{"name": "A", "value": "1"}]}
    found = only(job(roles={"Master": role("pytorch", **more), "Worker": role("pytorch", 3, **more)}))
    assert found.hints == () and (found.file, found.line) == ("jobs.yaml", 1)
    assert found.trainjob is not None
    assert found.trainjob["metadata"] == {"name": "mine", "namespace": "ann"}
    spec = found.trainjob["spec"]
    assert spec["runtimeRef"] == {"name": "torch-distributed"}
    trainer = spec["trainer"]
    assert (trainer["numNodes"], trainer["image"]) == (4, "reg/x:1")
    assert (trainer["command"], trainer["args"]) == (["python3", "/a.py"], ["--fast"])
    assert trainer["resourcesPerNode"] == {"requests": {"cpu": "2"}}


def test_a_program_without_torchrun_gets_what_the_operator_gave_it() -> None:
    ports = [{"name": "pytorchjob-port", "containerPort": 4711}]
    given = [{"name": "A", "value": "1"}, {"name": "RANK", "value": "7"}]
    master, worker = role("pytorch", env=given, ports=ports), role("pytorch", 2, env=given)
    found = variables(only(job(roles={"master": master, "worker": worker})))
    rank = found.pop("RANK")
    assert "job-completion-index" in rank["fieldRef"]["fieldPath"]
    assert found == {"A": "1", "MASTER_ADDR": "mine-node-0-0.mine", "MASTER_PORT": "4711", "WORLD_SIZE": "3"}


@pytest.mark.parametrize("starter", [["torchrun", "a.py"], ["python3", "-m", "torch.distributed.run"]])
def test_torchrun_is_told_by_the_trainer(starter: list[str]) -> None:
    env = [{"name": "PET_NNODES", "value": "9"}]
    found = only(job(roles={"Worker": role("pytorch", 2, command=starter, env=env)}, nprocPerNode="2"))
    assert found.trainjob and found.trainjob["spec"]["trainer"]["numProcPerNode"] == 2
    assert variables(found) == {} and told(found) == ["env[0]"]
    assert told(only(job(roles={"Worker": role("pytorch", 2, command=starter)}))) == ["nprocPerNode"], (
        "auto is another number"
    )


def test_a_tfjob_of_workers_finds_itself() -> None:
    found = only(job("TFJob", {"Chief": role("tensorflow"), "Worker": role("tensorflow", 2)}))
    assert found.trainjob and found.trainjob["spec"]["runtimeRef"] == {"name": "plain"}
    config = json.loads(variables(found)["TF_CONFIG"].replace("$(TRAINJOB_NODE)", "1"))
    hosts = [f"mine-node-0-{index}.mine:2222" for index in range(3)]
    assert config == {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 1}}
    assert list(variables(found)) == ["TRAINJOB_NODE", "TF_CONFIG"], "a variable is put into one that comes later"
    assert told(found) == ["Chief"]
    assert variables(only(job("TFJob", {"Worker": role("tensorflow")}))) == {}


def test_an_xgboostjob_finds_itself() -> None:
    found = only(job("XGBoostJob"))
    assert found.hints == () and found.trainjob
    assert found.trainjob["spec"]["runtimeRef"] == {"name": "plain"}
    values = variables(found)
    assert (values["WORLD_SIZE"], values["MASTER_PORT"], values["WORKER_PORT"]) == ("4", "9999", "9999")
    assert values["WORKER_ADDRS"] == "mine-node-0-1.mine,mine-node-0-2.mine,mine-node-0-3.mine"


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (job("TFJob", {"PS": role("tensorflow"), "Worker": role("tensorflow")}), "spec.tfReplicaSpecs.PS"),
        (
            job("TFJob", {"Evaluator": role("tensorflow"), "Worker": role("tensorflow")}),
            "spec.tfReplicaSpecs.Evaluator",
        ),
        (job("MPIJob", {"Launcher": role("any"), "Worker": role("any", 2)}), ""),
        ({**job("MPIJob", {"Launcher": role("any")}), "apiVersion": "kubeflow.org/v2beta1"}, ""),
    ],
)
def test_what_no_trainjob_can_do_is_said(obj: Any, path: str) -> None:
    found = only(obj)
    assert found.trainjob is None and [hint.path for hint in found.hints] == [path]
    assert found.hints[0].why and found.hints[0].remedy


def test_pods_are_like_they_were() -> None:
    pod = {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "nodeSelector": {"disk": "fast"},
        "serviceAccountName": "trainer",
        "tolerations": [{"operator": "Exists"}],
    }
    one = role("pytorch", pod=pod, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    one["template"]["metadata"] = {"annotations": {"sidecar.istio.io/inject": "false"}, "creationTimestamp": None}
    found = only(job(roles={"Master": one}))
    patch = pod_patch(found)
    assert found.hints == ()
    assert patch["metadata"] == {"annotations": {"sidecar.istio.io/inject": "false"}}
    containers = patch["spec"].pop("containers")
    assert patch["spec"] == pod
    assert containers == [
        {"name": "node", "volumeMounts": [{"name": "data", "mountPath": "/data"}], "securityContext": CONFINED}
    ]


def test_a_job_of_a_cluster_is_read_without_what_the_cluster_wrote() -> None:
    live = job(runPolicy={"suspend": True, "activeDeadlineSeconds": 60, "cleanPodPolicy": "None"})
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    live["metadata"] |= {"uid": "x", "resourceVersion": "1", "annotations": applied, "labels": {"a": "b"}}
    live["status"] = {"conditions": []}
    found, problems = read({"apiVersion": "v1", "kind": "List", "items": [live, job("XGBoostJob")]})
    assert problems == [] and [one.kind for one in found] == ["PyTorchJob", "XGBoostJob"]
    assert found[0].trainjob and found[0].hints == ()
    expected = {"name": "mine", "namespace": "ann", "labels": {"a": "b"}, "annotations": {"mine": "1"}}
    assert found[0].trainjob["metadata"] == expected
    assert (found[0].trainjob["spec"]["suspend"], found[0].trainjob["spec"]["activeDeadlineSeconds"]) == (True, 60)
    assert found[1].line > found[0].line


def sidecar(obj: dict[str, Any]) -> None:
    pod = obj["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]
    pod["containers"].append({"name": "beside", "image": "x"})


def first(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"]["pytorchReplicaSpecs"]["Master"]
    return found


def container(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = first(obj)["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (
            lambda obj: obj["spec"].update(runPolicy={"ttlSecondsAfterFinished": 9}),
            "spec.runPolicy.ttlSecondsAfterFinished",
        ),
        (lambda obj: obj["spec"].update(runPolicy={"backoffLimit": 9}), "spec.runPolicy.backoffLimit"),
        (lambda obj: obj["spec"].update(runPolicy={"schedulingPolicy": {}}), "spec.runPolicy.schedulingPolicy"),
        (lambda obj: obj["spec"].update(runPolicy={"cleanPodPolicy": "All"}), "spec.runPolicy.cleanPodPolicy"),
        (lambda obj: obj["spec"].update(runPolicy={"managedBy": "me"}), "spec.runPolicy.managedBy"),
        (lambda obj: obj["spec"].update(elasticPolicy={"maxReplicas": 3}), "spec.elasticPolicy"),
        (lambda obj: obj["spec"].update(novelty=1), "spec.novelty"),
        (lambda obj: first(obj).update(restartPolicy="OnFailure"), "Master.restartPolicy"),
        (lambda obj: first(obj).pop("restartPolicy"), "Master"),
        (lambda obj: first(obj)["template"]["spec"].update(hostNetwork=True), "template.spec.hostNetwork"),
        (lambda obj: first(obj)["template"]["spec"].update(initContainers=[{}]), "template.spec.initContainers"),
        (sidecar, "containers[1]"),
        (lambda obj: container(obj).update(envFrom=[]), "containers[0].envFrom"),
        (lambda obj: container(obj).update(imagePullPolicy="Always"), "containers[0].imagePullPolicy"),
        (lambda obj: container(obj).pop("securityContext"), "containers[0]"),
        (lambda obj: container(obj).pop("command"), "containers[0]"),
    ],
)
def test_what_has_no_counterpart_is_named_with_its_place(change: Any, path: str) -> None:
    obj = job(roles={"Master": role("pytorch")})
    change(obj)
    found = only(obj)
    (hint,) = found.hints
    # what is not there is said where it would be
    assert hint.path.endswith(path) or hint.path.rpartition(".")[0].endswith(path)
    assert found.trainjob and hint.line > 1 and hint.what and hint.why and hint.remedy


def test_roles_that_differ_are_told_field_by_field() -> None:
    worker = role("pytorch", 2, image="reg/y:1", pod={"nodeSelector": {"a": "b"}})
    found = only(job(roles={"Worker": worker, "Master": role("pytorch")}))
    assert found.trainjob and found.trainjob["spec"]["trainer"]["image"] == "reg/x:1", "the first node is the master"
    assert told(found) == ["image", "nodeSelector"]
    assert all("Worker" in hint.path for hint in found.hints)


def broken(**spec: Any) -> dict[str, Any]:
    return {**job(), "spec": {"pytorchReplicaSpecs": spec}}


BAD = [
    ("text", "migrate.foreign", ""),
    ({"kind": "Pod", "apiVersion": "v1"}, "migrate.foreign", ""),
    ({**job(), "apiVersion": "kubeflow.org/v2"}, "migrate.foreign", ""),
    ({**job(), "kind": ["PyTorchJob"]}, "migrate.foreign", ""),
    ({"kind": "List", "items": [job(), {"kind": "Pod"}]}, "migrate.foreign", "items[1]"),
    ({**job(), "metadata": {"generateName": "a-"}}, "migrate.invalid", "metadata"),
    ({**job(), "metadata": {"name": "a", "labels": 1}}, "migrate.invalid", "metadata.labels"),
    ({**job(), "spec": None}, "migrate.invalid", "spec"),
    ({**job(), "spec": {"pytorchReplicaSpecs": {}}}, "migrate.invalid", "spec.pytorchReplicaSpecs"),
    (job(runPolicy="x"), "migrate.invalid", "spec.runPolicy"),
    (broken(Boss=role("pytorch")), "migrate.invalid", "spec.pytorchReplicaSpecs.Boss"),
    (broken(Master=role("other")), "migrate.invalid", "spec.pytorchReplicaSpecs.Master.template.spec.containers"),
    (broken(Master=role("pytorch", image=1)), "migrate.invalid", "containers[0]"),
    (broken(Master=role("pytorch", command="sh")), "migrate.invalid", "containers[0].command"),
    (broken(Master=role("pytorch", args=[1])), "migrate.invalid", "containers[0].args"),
    (broken(Master=role("pytorch", env=[{"name": "A", "value": 1}])), "migrate.invalid", "containers[0].env"),
    (broken(Master=role("pytorch", replicas=-1)), "migrate.invalid", "Master.replicas"),
    (broken(Master=role("pytorch", replicas=True)), "migrate.invalid", "Master.replicas"),
    (broken(Master=role("pytorch", replicas=0)), "migrate.invalid", "spec.pytorchReplicaSpecs"),
]


@pytest.mark.parametrize(
    ("obj", "code", "path"), BAD, ids=[f"{item[1]}-{item[2] or index}" for index, item in enumerate(BAD)]
)
def test_bad_input_is_told_with_place_and_remedy(obj: Any, code: str, path: str) -> None:
    _, problems = read({"apiVersion": "kubeflow.org/v1", "kind": "TFJb"}, obj)
    assert problems[0].remedy == "did you mean 'TFJob'?", "every document is read"
    (problem,) = problems[1:]
    assert problem.code == code and problem.remedy and problem.place
    assert problem.place.file == "jobs.yaml" and problem.place.line >= 3 and problem.place.path.endswith(path)


PATHS = st.lists(st.integers(0, 6), min_size=1, max_size=9)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2), st.just({})
)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(list(FORMS)), path=PATHS, junk=JUNK)
def test_whatever_is_wrong_is_a_problem_or_a_hint(kind: str, path: list[int], junk: Any) -> None:
    """One value anywhere in a job is replaced by something else: it is translated, or told, never a crash."""
    pod = {"volumes": [{"name": "v"}], "securityContext": {"fsGroup": 1}}
    more = {
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"name": "p", "containerPort": 1}],
        "resources": {"limits": {}},
    }
    name = FORMS[kind].roles[-2 if kind == "TFJob" else -1]
    obj = job(kind, {name: role(FORMS[kind].container, 2, pod, **more)}, runPolicy={"backoffLimit": 1})
    at: Any = obj
    for number in path:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = keys[number % len(keys)]
        if not (isinstance(at[key], dict | list) and at[key]) or number == path[-1]:
            break
        at = at[key]
    at[key] = junk
    found, problems = read(obj)
    assert bool(found) != bool(problems)
    for one in found:
        assert one.trainjob is None or one.trainjob["spec"]["trainer"]["numNodes"] >= 1
