"""Samples of every kind in the portal: started with the user's rights, shown with progress, results and what holds them up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from portalasks import plain, site_of_all, start
from portalobjects import OF_EXPERIMENT, experiment, flow, run_pod, stamp, train_job
from portalworld import ADMIN, USER, Site

from mlstack_portal.cluster import ClusterError, Kind
from mlstack_portal.runs import PAGE
from mlstack_portal.subjects import kinds, run_path

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of_all(tmp_path)


# -- starting


@pytest.mark.parametrize(
    ("sample", "kind", "plural", "params"),
    [
        ("katib-random", "Experiment", "experiments", {"trials": "6", "parallel": "3"}),
        ("katib-tpe", "Experiment", "experiments", {"trials": "6", "parallel": "3"}),
        ("train-distributed", "TrainJob", "trainjobs", {"nodes": "3", "steps": "50"}),
    ],
)
async def test_an_object_is_made_in_the_own_profile(
    site: Site, sample: str, kind: str, plural: str, params: dict[str, str]
) -> None:
    answer = await start(site, sample, **params)
    made = site.cluster.found[-1]
    name = made["metadata"]["name"]
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/alpha/{plural}/{name}")
    assert (made["kind"], made["metadata"]["namespace"]) == (kind, "alpha")
    assert made["metadata"]["annotations"] == {"mlstack.dev/started-by": "user@example.org"}
    assert made["metadata"]["labels"]["mlstack.dev/sample"] == sample
    spec = made["spec"]
    assert spec.get("maxTrialCount", 6) == 6 and spec.get("trainer", {"numNodes": 3})["numNodes"] == 3
    page = await site.get(answer.headers["location"], USER)
    assert page.status_code == 200 and f'data-live="/live/runs/alpha/{plural}/{name}"' in page.text


async def test_the_cluster_is_asked_for_the_users_own_rights(site: Site) -> None:
    headers = {**USER, "kubeflow-groups": "crew,staff"}
    await start(site, "katib-random", headers=headers)
    await start(site, "hello", headers=headers, who="x")
    await start(site, "kfp-iris", headers=headers)
    asked = [(one["user"], one["groups"], one["resourceAttributes"]) for one in site.cluster.reviewed]
    who = ("user@example.org", ["crew", "staff"])
    create = {"verb": "create", "namespace": "alpha"}
    assert asked == [
        (*who, {**create, "group": "kubeflow.org", "resource": "experiments"}),
        (*who, {**create, "group": "argoproj.io", "resource": "workflows"}),
        (*who, {**create, "group": "pipelines.kubeflow.org", "resource": "runs"}),
    ]


@pytest.mark.parametrize(
    ("sample", "plural"), [("katib-random", "experiments"), ("hello", "workflows"), ("kfp-iris", "runs")]
)
async def test_who_lacks_the_right_starts_nothing(site: Site, sample: str, plural: str) -> None:
    site.cluster.without_rights.add(("user@example.org", plural, "alpha"))
    before = len(site.cluster.found)
    answer = await start(site, sample, **({"who": "x"} if sample == "hello" else {}))
    assert answer.status_code == 400
    assert f"Your role in alpha does not let you create {plural}." in plain(answer.text)
    assert (len(site.cluster.found), site.pipelines.submitted) == (before, [])


@pytest.mark.parametrize("sample", ["katib-random", "train-distributed", "kfp-iris"])
async def test_nobody_starts_anything_in_somebody_elses_profile(site: Site, sample: str) -> None:
    before = len(site.cluster.found)
    for namespace in ("beta", "ml", "kubeflow", "kube-system", ""):
        assert (await start(site, sample, namespace)).status_code == 400
    assert (len(site.cluster.found), site.pipelines.submitted, site.cluster.reviewed) == (before, [], [])


async def test_the_shared_namespace_asks_for_no_rights_that_nobody_has_there(site: Site) -> None:
    assert (await start(site, "katib-random", "ml", ADMIN)).status_code == 303
    assert (await start(site, "kfp-iris", "ml", ADMIN)).status_code == 303
    assert site.cluster.reviewed == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (422, "spec.algorithm: unknown"),
        (400, "admission webhook says no"),
        (403, 'admission webhook "x" denied the request: parameter rate: max < min'),
        (403, 'experiments "x" is forbidden: exceeded quota: profile'),
        (422, "ValidatingAdmissionPolicy 'mlstack-portal' with binding 'b' denied request: plain runs only"),
    ],
)
async def test_what_the_cluster_does_not_take_is_said_with_the_form(site: Site, status: int, message: str) -> None:
    site.cluster.refused = ClusterError(status, message)
    answer = await start(site, "katib-random", trials="7")
    assert answer.status_code == 400
    assert "Nothing was started" in answer.text and "The cluster refused the Experiment: " in answer.text
    assert 'name="param-trials" type="number" value="7"' in answer.text, "what was typed is still there"


async def test_rights_that_the_portal_lacks_are_no_fault_of_the_form(site: Site) -> None:
    site.cluster.refused = ClusterError(403, 'experiments.kubeflow.org is forbidden: User "portal" cannot create')
    answer = await start(site, "katib-random")
    assert (answer.status_code, "mlstack up" in answer.text) == (403, True)


# -- pages of objects


async def test_an_experiment_shows_progress_and_the_best_so_far(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", done=2))
    site.cluster.put(run_pod("katib-random-1-t3-a", "alpha", "Running", OF_EXPERIMENT))
    site.cluster.put(run_pod("search", "alpha", "Running", {**OF_EXPERIMENT, "katib.kubeflow.org/deployment": "x"}))
    said = "I1123 10:00:00.1 14 main.go:132]"
    site.cluster.logs["alpha", "katib-random-1-t3-a"] = [f"{said} Trial Name: t3", f"{said} accuracy=0.9", "noise"]
    answer = await site.get("/runs/alpha/experiments/katib-random-1", USER)
    text = plain(answer.text)
    assert "2 of 4 trials succeeded" in text and "accuracy 0.93" in text and "rate 0.02" in text
    assert "katib-random-1-t3-a" in text and ">accuracy=0.9</pre>" in answer.text
    assert "search" not in text and "noise" not in text and "Trial Name" not in text
    assert "log alpha/katib-random-1-t3-a/metrics-logger-and-collector" in site.cluster.asked
    assert "Started by user@example.org" in text


async def test_an_ended_one_does_not_change(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", done=4, age=65, Succeeded="Experiment has succeeded"))
    answer = await site.get("/runs/alpha/experiments/katib-random-1", USER)
    assert "The run ended: Succeeded." in answer.text and "data-live" not in answer.text
    assert "Duration 5 s" in plain(answer.text)


async def test_a_failed_one_says_why(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", Failed="Experiment has failed: max failed trials"))
    text = plain((await site.get("/runs/alpha/experiments/katib-random-1", USER)).text)
    assert "The run ended: Failed." in text and "Experiment has failed: max failed trials" in text


async def test_results_are_read_from_what_the_programs_print(site: Site) -> None:
    site.cluster.put(train_job("Complete"))
    labels = {"jobset.sigs.k8s.io/jobset-name": "train-distributed-1"}
    for number in range(2):
        site.cluster.put(run_pod(f"train-distributed-1-node-{number}", "alpha", "Succeeded", labels))
    lines = ["node 0 step 0 loss 4.2", '{"nodes": 2, "loss": 0.0001, "agree": true}']
    site.cluster.logs["alpha", "train-distributed-1-node-0"] = lines
    text = plain((await site.get("/runs/alpha/trainjobs/train-distributed-1", USER)).text)
    assert "loss 0.0001" in text and "nodes 2" in text and "agree true" in text
    assert "train-distributed-1-node-1" in text


async def test_all_kinds_of_runs_are_in_one_list(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", age=30))
    site.cluster.put(experiment("katib-random-2", "beta", age=30))
    site.cluster.put(flow("hello-1", "alpha", age=20))
    site.cluster.put(train_job())
    by_a_search = train_job()
    by_a_search["metadata"] |= {"name": "of-a-trial", "ownerReferences": [{"name": "trial"}]}
    site.cluster.put(by_a_search)
    by_hand = experiment("by-hand", "alpha")
    by_hand["metadata"]["labels"] = {}
    site.cluster.put(by_hand)
    text = (await site.get("/runs", USER)).text
    assert re.findall(r'href="(/runs/[^"?]+)"', text) == [
        "/runs/alpha/hello-1",
        "/runs/alpha/experiments/katib-random-1",
        "/runs/alpha/trainjobs/train-distributed-1",
    ]
    assert not [asked for asked in site.cluster.asked if "beta" in asked]
    assert "katib-random-2" in (await site.get("/runs", ADMIN)).text


async def test_pages_of_the_list_go_over_all_kinds(site: Site) -> None:
    for number in range(PAGE):
        site.cluster.put(flow(f"hello-{number:02}", "alpha", age=100 + number))
    site.cluster.put(experiment("katib-random-1", "alpha", age=50))
    assert "katib-random-1" in (await site.get("/runs", USER)).text
    older = (await site.get("/runs?page=2", USER)).text
    assert re.findall(r'href="(/runs/[^"?]+)"', older) == [f"/runs/alpha/hello-{PAGE - 1}"]


@pytest.mark.parametrize("page", ["/runs", "/live/runs"])
async def test_what_is_not_ones_own_looks_like_what_is_not_there(site: Site, page: str) -> None:
    site.cluster.put(experiment("katib-random-1", "beta", done=4, Succeeded="yes"))
    hidden = await site.get(f"{page}/beta/experiments/katib-random-1", USER)
    absent = await site.get(f"{page}/beta/experiments/katib-random-9", USER)
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text.replace("random-1", "random-9") == absent.text
    assert not [asked for asked in site.cluster.asked if "beta" in asked]
    mine = await site.get(f"{page}/beta/experiments/katib-random-1", {"kubeflow-userid": "other@example.org"})
    assert mine.status_code == 200


@pytest.mark.parametrize("plural", ["secrets", "pods", "configmaps", "runs", "Experiment"])
async def test_only_kinds_of_samples_are_read(site: Site, plural: str) -> None:
    site.cluster.put({"kind": "Secret", "metadata": {"name": "s", "namespace": "alpha", "creationTimestamp": stamp(1)}})
    for headers in (USER, ADMIN):
        assert (await site.get(f"/runs/alpha/{plural}/s", headers)).status_code == 404
    assert not [asked for asked in site.cluster.asked if asked.startswith("get")]


async def test_a_run_of_a_sample_that_is_no_longer_offered_is_read(site: Site) -> None:
    other = experiment("old-1", "alpha", done=2)
    other["metadata"]["labels"]["mlstack.dev/sample"] = "katib-old"
    site.cluster.put(other)
    answer = await site.get("/runs/alpha/experiments/old-1", USER)
    assert "2 of 4 trials succeeded" in answer.text and "again" not in plain(answer.text)


def test_paths_of_runs_name_the_kind_unless_it_is_a_workflow(site: Site) -> None:
    names = [kind.name for kind in kinds(site.portal.offer())]
    assert names[0] == "Workflow" and sorted(names[1:]) == ["Experiment", "TrainJob"]
    assert run_path(Kind("example.org/v1", "Job", "jobs"), "a", "b/c") == "/runs/a/jobs/b%2Fc"
