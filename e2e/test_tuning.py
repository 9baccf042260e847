"""Training on several nodes and tuning as users of a profile have them: values, who may what, and what is said of bad input."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from e2e.platform import Platform, namespace, until
from e2e.tenants import ANN, BOB, ann_and_bob, as_user, may
from e2e.tuning import EXPERIMENTS, ended, observed, search

JOBS = ("trainer.kubeflow.org", "v1alpha1", "trainjobs")


@pytest.fixture(scope="module")
def spaces(platform: Platform) -> Iterator[tuple[str, str]]:
    with ann_and_bob(platform, "profile tuning has it", "training", "tuning") as names:
        yield names


@pytest.fixture(scope="module")
def tuned(platform: Platform, spaces: tuple[str, str]) -> dict[str, Any]:
    """The result of a search in a profile."""
    run = platform.cli("run", "katib-random", "--profile", spaces[0], "--watch", "--json")
    return dict(run.lines()[-1])


@pytest.mark.parametrize("nodes", [2, 3])
def test_nodes_train_one_model_together(platform: Platform, spaces: tuple[str, str], nodes: int) -> None:
    run = platform.cli(
        "run", "train-distributed", "--profile", spaces[0], "--param", f"nodes={nodes}", "--watch", "--json"
    )
    result = run.lines()[-1]
    assert (result["phase"], result["namespace"]) == ("Succeeded", spaces[0])
    assert (result["results"]["nodes"], result["results"]["agree"]) == (str(nodes), "true")
    assert float(result["results"]["loss"]) < 0.001
    talked = {line["source"] for line in run.lines() if line["type"] == "LogLine" and "step 0 loss" in line["text"]}
    assert len(talked) == nodes


def test_the_best_trial_is_the_best_of_all(platform: Platform, spaces: tuple[str, str], tuned: dict[str, Any]) -> None:
    assert (tuned["phase"], tuned["namespace"]) == ("Succeeded", spaces[0])
    api = kubernetes.client.CustomObjectsApi(platform.api())
    trials = api.list_namespaced_custom_object("kubeflow.org", "v1beta1", spaces[0], "trials")["items"]
    reached = {
        one["metadata"]["name"]: max(
            float(metric["latest"])
            for metric in one["status"]["observation"]["metrics"]
            if metric["name"] == "accuracy"
        )
        for one in trials
    }
    best = tuned["results"]
    assert len(reached) == 4 and len({str(one["spec"]["parameterAssignments"]) for one in trials}) == 4
    assert float(best["accuracy"]) == max(reached.values()) == reached[best["trial"]] > 0.6
    chosen = next(one for one in trials if one["metadata"]["name"] == best["trial"])
    assigned = {one["name"]: one["value"] for one in chosen["spec"]["parameterAssignments"]}
    assert assigned == {"rate": best["rate"], "alpha": best["alpha"]}


@pytest.mark.parametrize("algorithm", ["tpe", "cmaes", "sobol", "multivariate-tpe", "bayesianoptimization"])
def test_every_way_to_search_finds_something(platform: Platform, spaces: tuple[str, str], algorithm: str) -> None:
    run = platform.cli(
        *("run", "katib-random", "--profile", spaces[0], "--watch", "--json"),
        *("--param", f"algorithm={algorithm}", "--param", "trials=2"),
    )
    result = run.lines()[-1]
    assert result["phase"] == "Succeeded" and 0.5 < float(result["results"]["accuracy"]) <= 1


def test_everybody_tunes_and_trains_at_home_only(
    platform: Platform, spaces: tuple[str, str], tuned: dict[str, Any]
) -> None:
    one, two = spaces
    for group, _, plural in (EXPERIMENTS, JOBS):
        assert may(platform, ANN, "create", f"{plural}.{group}", one) and may(
            platform, BOB, "create", f"{plural}.{group}", two
        )
        for verb in ("get", "list", "create", "delete"):
            assert not may(platform, BOB, verb, f"{plural}.{group}", one)
        for account in (f"system:serviceaccount:{one}:{name}" for name in ("workflow", "pipeline-runner", "default")):
            assert not may(platform, account, "create", f"{plural}.{group}", one), (
                "a job runs as any account of its namespace"
            )
    assert as_user(platform, ANN).get_namespaced_custom_object(*EXPERIMENTS[:2], one, EXPERIMENTS[2], tuned["run"])
    with pytest.raises(ApiException) as caught:
        as_user(platform, BOB).get_namespaced_custom_object(*EXPERIMENTS[:2], one, EXPERIMENTS[2], tuned["run"])
    assert caught.value.status == 403


def test_a_grid_is_searched_to_its_end(platform: Platform, spaces: tuple[str, str]) -> None:
    api = as_user(platform, ANN)
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], spaces[0], EXPERIMENTS[2], search("grid"))
    status = ended(api, spaces[0], "grid")["status"]
    best = status["currentOptimalTrial"]
    assert status["trialsSucceeded"] == 3
    assert best["parameterAssignments"] == [{"name": "x", "value": "3"}]
    assert best["observation"]["metrics"][0]["latest"] == "3"
    assert observed(platform, best["bestTrialName"]) == [("score", "3")]


def test_hyperband_gives_more_to_the_best(platform: Platform, spaces: tuple[str, str]) -> None:
    spec = search(
        "halves",
        algorithm={
            "algorithmName": "hyperband",
            "algorithmSettings": [
                {"name": "resource_name", "value": "epochs"},
                {"name": "r_l", "value": "4"},
                {"name": "eta", "value": "2"},
            ],
        },
        maxTrialCount=6,
        parameters=[
            {"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "100"}},
            {"name": "epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}},
        ],
    )
    template = spec["spec"]["trialTemplate"]
    template["trialParameters"].append({"name": "epochs", "reference": "epochs"})
    container = template["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "EPOCHS", "value": "${trialParameters.epochs}"}]
    api = as_user(platform, ANN)
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], spaces[0], EXPERIMENTS[2], spec)
    assert ended(api, spaces[0], "halves")["status"]["trialsSucceeded"] == 6
    trials = api.list_namespaced_custom_object(
        *("kubeflow.org", "v1beta1", spaces[0], "trials"), label_selector="katib.kubeflow.org/experiment=halves"
    )["items"]
    points = [{one["name"]: int(one["value"]) for one in each["spec"]["parameterAssignments"]} for each in trials]
    begun = [one["x"] for one in points if one["epochs"] == 1]
    more = [one["x"] for one in points if one["epochs"] > 1]
    assert begun and more and set(more) <= set(begun), "who has more had little before"


def test_trials_that_fall_behind_are_stopped_early(platform: Platform, spaces: tuple[str, str]) -> None:
    """The first trial sets the mark; the grid goes on with worse ones, each of which would say its score for half a minute."""
    spec = search(
        "early",
        objective={"type": "minimize", "objectiveMetricName": "score"},
        parallelTrialCount=1,
        earlyStopping={
            "algorithmName": "medianstop",
            "algorithmSettings": [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "2"}],
        },
    )
    container = spec["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    say = 'sleep 3; echo "score=${trialParameters.x}"'
    loop = f'for n in $(seq 10); do {say}; test "${{trialParameters.x}}" = 1 && test $n = 3 && break; done'
    container["command"] = [
        "sh",
        "-c",
        f"({loop}; true)",
    ]  # one command, whose output is sent where the collector reads
    api = as_user(platform, ANN)
    api.create_namespaced_custom_object(*EXPERIMENTS[:2], spaces[0], EXPERIMENTS[2], spec)
    status = ended(api, spaces[0], "early")["status"]
    assert (status["trialsSucceeded"], status["trialsEarlyStopped"]) == (1, 2)
    assert status["currentOptimalTrial"]["parameterAssignments"] == [{"name": "x", "value": "1"}]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"algorithm": {"algorithmName": "magic"}}, "magic"),
        ({"parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "3", "max": "1"}}]}, "x"),
        ({"maxTrialCount": 9}, "9"),
        ({"parallelTrialCount": 5}, "parallelTrialCount"),
    ],
)
def test_an_impossible_search_is_refused_or_fails_at_once(
    platform: Platform, spaces: tuple[str, str], spec: dict[str, Any], said: str
) -> None:
    api = as_user(platform, ANN)
    name = f"bad-{secrets.token_hex(2)}"
    try:
        api.create_namespaced_custom_object(*EXPERIMENTS[:2], spaces[0], EXPERIMENTS[2], search(name, **spec))
    except ApiException as error:
        assert error.status == 400 and said in str(error.body)
        return

    def told() -> bool:
        group = "kubeflow.org", "v1beta1", spaces[0]
        found = api.list_namespaced_custom_object(*group, "suggestions")["items"]
        conditions = [
            one
            for each in found
            if each["metadata"]["name"] == name
            for one in each.get("status", {}).get("conditions", [])
        ]
        return any(one["type"] == "Failed" and said in one.get("message", "") for one in conditions)

    until(told, 60, "what is wrong")


def test_deleting_a_search_leaves_nothing(platform: Platform, spaces: tuple[str, str], tuned: dict[str, Any]) -> None:
    api = as_user(platform, ANN)
    api.delete_namespaced_custom_object(*EXPERIMENTS[:2], spaces[0], EXPERIMENTS[2], tuned["run"])

    def gone() -> bool:
        left = kubernetes.client.CustomObjectsApi(platform.api()).list_namespaced_custom_object(
            "kubeflow.org",
            "v1beta1",
            spaces[0],
            "trials",
            label_selector=f"katib.kubeflow.org/experiment={tuned['run']}",
        )["items"]
        return not left

    until(gone, 60, "no trial")
    assert observed(platform, tuned["results"]["trial"]) == [], "the records of its trials go with it"


def test_a_search_elsewhere_has_no_collectors(platform: Platform) -> None:
    """Where Katib is not to be, its webhook changes no pod."""
    core = platform.core()
    with namespace(core) as space:
        labels = core.read_namespace(space).metadata.labels
        assert "katib.kubeflow.org/metrics-collector-injection" not in labels
