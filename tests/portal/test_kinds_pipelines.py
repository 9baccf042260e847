"""Runs of pipelines in the portal: submitted as the user's namespace, shown as the workflow that they became."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from portalasks import plain, site_of_all, start
from portalobjects import pipeline_flow, run_pod
from portalworld import USER, Site

from mlstack_portal.pipelines import PipelinesError

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of_all(tmp_path)


async def test_a_pipeline_is_submitted_and_shown_as_the_workflow_it_became(site: Site) -> None:
    answer = await start(site, "kfp-iris", strength="2.5", seed="7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/alpha/kfp-iris-x7k2p")
    ((namespace, name, pipeline, parameters),) = site.pipelines.submitted
    assert (namespace, pipeline["pipelineInfo"]["name"]) == ("alpha", "kfp-iris")
    assert re.fullmatch(r"kfp-iris-[0-9a-f]{6}", name)
    assert (parameters["strength"], parameters["seed"]) == (2.5, 7)
    assert not [one for one in site.cluster.asked if one.startswith("create workflows")]
    page = await site.get(answer.headers["location"], USER)
    assert "Run kfp-iris again" in plain(page.text)


async def test_a_pipelines_page_has_its_own_steps_and_what_it_recorded(site: Site) -> None:
    site.cluster.put(pipeline_flow(namespace="alpha"))
    pod = run_pod("p", "alpha", "Succeeded", {"workflows.argoproj.io/workflow": "kfp-iris-x7k2p"})
    pod["metadata"]["annotations"] = {"workflows.argoproj.io/node-name": "kfp-iris-x7k2p.root.load.executor"}
    site.cluster.put(pod)
    site.cluster.logs["alpha", "p"] = ["I1123 10:00:00.123 14 launcher.go:12] of no interest", "105 rows"]
    metadata = {"outputs": {"metrics": {"metadata": {"accuracy": 0.97}}}}
    model = {"outputs": {"model": {"uri": "minio://alpha-bucket/pipelines/model"}}}
    site.pipelines.steps = [{"name": "evaluate", **metadata}, {"name": "train", **model}]
    answer = await site.get("/runs/alpha/kfp-iris-x7k2p", USER)
    text = plain(answer.text)
    assert "accuracy 0.97" in text and "s3://alpha-bucket/pipelines/model" in text
    assert ">105 rows</pre>" in answer.text and "driver" not in text and "of no interest" not in text
    assert site.pipelines.recorded == [("alpha", "run-7")]


async def test_what_a_pipeline_recorded_is_not_asked_while_it_runs(site: Site) -> None:
    site.cluster.put(pipeline_flow(namespace="alpha", phase="Running"))
    assert (await site.get("/runs/alpha/kfp-iris-x7k2p", USER)).status_code == 200
    assert site.pipelines.recorded == []


async def test_a_run_of_somebodys_own_pipeline_is_shown_without_results(site: Site) -> None:
    site.cluster.put(pipeline_flow("my run", "alpha"))
    text = plain((await site.get("/runs/alpha/kfp-iris-x7k2p", USER)).text)
    assert "load" in text and "again" not in text
    site.cluster.put(pipeline_flow("hello-1", "alpha"))
    assert "again" not in plain((await site.get("/runs/alpha/kfp-iris-x7k2p", USER)).text)


async def test_records_of_others_are_not_asked(site: Site) -> None:
    site.cluster.put(pipeline_flow(namespace="beta"))
    assert (await site.get("/runs/beta/kfp-iris-x7k2p", USER)).status_code == 404
    assert site.pipelines.recorded == []


async def test_a_refused_pipeline_is_said_with_the_form(site: Site) -> None:
    site.pipelines.failure = PipelinesError("unknown field <bad>", refused=True)
    answer = await start(site, "kfp-iris")
    assert answer.status_code == 400
    assert "Kubeflow Pipelines refused the run: unknown field &lt;bad&gt;" in answer.text


async def test_a_server_of_pipelines_that_does_not_answer_is_a_page(site: Site) -> None:
    site.pipelines.failure = PipelinesError("Kubeflow Pipelines does not answer (ConnectError)")
    answer = await start(site, "kfp-iris")
    assert (answer.status_code, "mlstack status" in answer.text) == (502, True)
    site.cluster.put(pipeline_flow(namespace="alpha"))
    page = await site.get("/runs/alpha/kfp-iris-x7k2p", USER)
    assert page.status_code == 200
    assert "The results cannot be read: Kubeflow Pipelines does not answer" in plain(page.text)
