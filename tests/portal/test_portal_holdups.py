"""What the portal says of a run that does not go on: what waits for what, which part of the platform is down, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from portalasks import plain, site_of_all
from portalobjects import OF_EXPERIMENT, deployment, experiment, flow, run_pod, train_job, warning
from portalworld import USER, Site

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of_all(tmp_path)


async def test_a_run_that_does_not_go_on_says_what_waits_and_what_to_do(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", done=0))
    waiting = {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "x:1 not found"}}}
    site.cluster.put(run_pod("katib-random-1-t1", "alpha", "Pending", OF_EXPERIMENT, containerStatuses=[waiting]))
    answer = await site.get("/runs/alpha/experiments/katib-random-1", USER)
    text = plain(answer.text)
    assert "The run does not go on: Pod/alpha/katib-random-1-t1." in text
    assert "What Pod/alpha/katib-random-1-t1 Why container main: ErrImagePull: x:1 not found Do name an image" in text
    assert "<code>mlstack images list</code>" in answer.text


async def test_a_workflow_says_so_too(site: Site) -> None:
    site.cluster.put(flow("hello-1", "alpha", "Running"))
    site.cluster.put(warning("Workflow", "hello-1", "alpha", "Failed", "pods is forbidden: exceeded quota: profile"))
    text = plain((await site.get("/runs/alpha/hello-1", USER)).text)
    assert "Workflow/alpha/hello-1" in text and "raise the quota" in text


async def test_what_no_rule_knows_is_an_administrators(site: Site) -> None:
    site.cluster.put(flow("hello-1", "alpha", "Running"))
    site.cluster.put(warning("Workflow", "hello-1", "alpha", "Odd", "something"))
    text = plain((await site.get("/runs/alpha/hello-1", USER)).text)
    assert "ask an administrator" in text and "this command" not in text


async def test_what_no_controller_looks_at_is_said(site: Site) -> None:
    site.cluster.put({**train_job(), "status": {}})
    text = plain((await site.get("/runs/alpha/trainjobs/train-distributed-1", USER)).text)
    assert "What TrainJob/alpha/train-distributed-1 Why nothing has looked at it yet" in text


@pytest.mark.parametrize(("age", "told"), [(3, False), (15, True)])
async def test_news_are_waited_for_a_while(site: Site, age: float, told: bool) -> None:
    site.cluster.put(flow("hello-1", "alpha", "Running", age=age))
    site.cluster.put(warning("Workflow", "hello-1", "alpha", "Odd", "something", age=0))
    assert ("What it waits for" in (await site.get("/runs/alpha/hello-1", USER)).text) is told


async def test_warnings_of_others_hold_nothing_up(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", done=0))
    site.cluster.put(warning("Job", "katib-random-2-x", "alpha", "FailedCreate", "exceeded quota"))
    site.cluster.put(warning("Job", "katib-random-1-x", "beta", "FailedCreate", "exceeded quota"))
    site.cluster.put(warning("Job", "katib-random-1-y", "alpha", "FailedCreate", "exceeded quota", age=120))
    assert "What it waits for" not in (await site.get("/runs/alpha/experiments/katib-random-1", USER)).text
    assert "list events beta" not in site.cluster.asked


async def test_a_step_that_is_stuck_says_what_to_do(site: Site) -> None:
    run = flow("hello-1", "alpha", "Pending")
    run["status"]["nodes"]["hello-1-n1"]["message"] = "ImagePullBackOff: nobody has it"
    site.cluster.put(run)
    text = plain((await site.get("/runs/alpha/hello-1", USER)).text)
    assert "ImagePullBackOff: nobody has it; name an image that the nodes have" in text


async def test_a_part_of_the_platform_that_is_down_is_named(site: Site) -> None:
    site.cluster.put(experiment("katib-random-1", "alpha", done=0))
    site.cluster.put(run_pod("katib-random-1-t1", "alpha", "Running", OF_EXPERIMENT))
    for stack in ("minio", "katib", "elsewhere"):
        site.cluster.put(deployment(stack, ready=int(stack == "katib")))
    answer = await site.get("/runs/alpha/experiments/katib-random-1", USER)
    text = plain(answer.text)
    assert "What Deployment/minio/minio Why none of its pods is ready Do it is part of stack minio" in text
    assert "<code>mlstack up</code>" in answer.text and "elsewhere" not in text and "Deployment/katib" not in text


@pytest.mark.parametrize(
    ("phase", "age", "told"), [("Failed", 60, True), ("Succeeded", 60, False), ("Failed", 900, False)]
)
async def test_a_run_that_failed_just_now_says_what_is_down(site: Site, phase: str, age: float, told: bool) -> None:
    site.cluster.put(flow("hello-1", "alpha", phase, age))
    site.cluster.put(deployment("argo-workflows", ready=0))
    text = plain((await site.get("/runs/alpha/hello-1", USER)).text)
    assert ("What of the platform is down" in text) is told
    assert ("Deployment/argo-workflows/argo-workflows" in text) is told
    assert "What it waits for" not in text


async def test_a_run_of_nobodys_sample_blames_nothing(site: Site) -> None:
    run = flow("mine-1", "alpha", "Failed")
    run["metadata"]["labels"] = {}
    site.cluster.put(run)
    site.cluster.put(deployment("argo-workflows", ready=0))
    assert "is down" not in plain((await site.get("/runs/alpha/mine-1", USER)).text)
