"""The streams: what is sent when something changes, and that nothing stays open afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from portalobjects import deployment, experiment, flow, run_pod, stamp, step_pod, warning
from portalworld import ADMIN, USER, FakeCluster, Site, make_site, offer_of_all

import mlstack_portal.live as live
from mlstack_portal.cluster import WORKFLOW, ClusterError
from mlstack_portal.live import Streams, _run, event, states
from mlstack_portal.subjects import kind_named, subject_of

pytestmark = pytest.mark.anyio


def events(text: str) -> list[tuple[str, str]]:
    """(name, data) of each event of a stream."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        name = next((value for key, _, value in lines if key == "event"), "")
        found.append((name, "\n".join(value for key, _, value in lines if key == "data")))
    return found


def followed(site: Site, obj: dict[str, Any] | None = None) -> AsyncGenerator[str, None]:
    """The stream of a run, by default of the sample ``hello``."""
    obj = obj or flow()
    found = kind_named(site.portal.offer(), {"Workflow": "workflows", "Experiment": "experiments"}[obj["kind"]])
    assert found
    return _run(site.portal, subject_of(site.portal.offer(), found, obj), obj)


async def next_event(stream: AsyncIterator[str]) -> tuple[str, str]:
    return events(await asyncio.wait_for(anext(stream), 5))[0]


def test_an_event_keeps_lines_apart() -> None:
    assert event("part", "a\nb: c\n") == "event: part\ndata: a\ndata: b: c\ndata: \n\n"


async def test_an_ended_run_is_sent_once_and_ends(site: Site) -> None:
    site.cluster.put(flow())
    site.cluster.put(step_pod())
    site.cluster.logs["ml", "hello-1-pod"] = ["the line"]
    answer = await site.get("/live/runs/ml/hello-1")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    found = events(answer.text)
    assert [name for name, _ in found] == ["part", "said", "end"]
    assert "the line" in found[0][1] and "Hello, you!" in found[0][1]
    assert found[1][1] == "The run ended: Succeeded."
    assert site.cluster.watching == 0


async def test_a_run_is_followed_to_its_end(site: Site) -> None:
    site.cluster.put(flow(phase="Pending"))
    async with aclosing(followed(site)) as stream:
        assert "Pending" in (await next_event(stream))[1]
        assert await next_event(stream) == ("said", "The run is pending.")
        site.cluster.put(step_pod())
        site.cluster.logs["ml", "hello-1-pod"] = ["at work"]
        site.cluster.put(flow(phase="Running"))
        assert "at work" in (await next_event(stream))[1]
        assert await next_event(stream) == ("said", "Running: hello.")
        site.cluster.put(flow())
        assert "Hello, you!" in (await next_event(stream))[1]
        assert await next_event(stream) == ("said", "The run ended: Succeeded.")
        assert (await next_event(stream))[0] == "end"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert site.cluster.watching == 0


async def test_log_lines_come_without_any_change_of_the_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK", 0.02)
    site.cluster.put(step_pod())
    site.cluster.put(flow(phase="Running"))
    async with aclosing(followed(site)) as stream:
        assert "No log lines yet" in (await next_event(stream))[1]
        await next_event(stream)
        site.cluster.logs["ml", "hello-1-pod"] = ["a new line"]
        assert "a new line" in (await next_event(stream))[1]


async def test_an_object_of_another_kind_is_followed_to_its_end(tmp_path: Path) -> None:
    site = make_site(tmp_path, offer_of_all())
    first = site.cluster.put(experiment(done=0))
    async with aclosing(followed(site, first)) as stream:
        assert "0 of 4 trials succeeded" in (await next_event(stream))[1]
        assert await next_event(stream) == ("said", "Running: katib-random-1.")
        site.cluster.put(experiment(done=3))
        part = (await next_event(stream))[1]
        assert "3 of 4 trials succeeded" in part and "0.93" in part
        site.cluster.put(experiment(done=4, Succeeded="Experiment has succeeded"))
        assert "Succeeded" in (await next_event(stream))[1]
        assert await next_event(stream) == ("said", "The run ended: Succeeded.")
        assert (await next_event(stream))[0] == "end"
    await asyncio.sleep(0.05)
    assert site.cluster.watching == 0


async def test_what_a_run_waits_for_is_said_without_any_change_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TICK", 0.02)
    monkeypatch.setattr("mlstack_portal.detail.LOOK", 0.02)
    site = make_site(tmp_path, offer_of_all())
    first = site.cluster.put(experiment(done=0))
    async with aclosing(followed(site, first)) as stream:
        assert "What it waits for" not in (await next_event(stream))[1]
        await next_event(stream)
        site.cluster.put(warning("Job", "katib-random-1-x", "ml", "FailedCreate", "pods is forbidden: exceeded quota"))
        part = (await next_event(stream))[1]
        assert "Job/ml/katib-random-1-x" in part and "raise the quota" in part
        said = "The run does not go on: Job/ml/katib-random-1-x."
        assert await next_event(stream) == ("said", said)
        labels = {"katib.kubeflow.org/experiment": "katib-random-1"}
        running = {"name": "main", "state": {"running": {"startedAt": stamp(1)}}}
        pod = run_pod("katib-random-1-x-a", "ml", "Running", labels, containerStatuses=[running])
        pod["metadata"] |= {"ownerReferences": [{"name": "katib-random-1-x"}], "creationTimestamp": stamp(1)}
        site.cluster.put(pod)
        # its log is shown at once, that it goes on at the next look
        while "What it waits for" in (await next_event(stream))[1]:
            pass


async def test_what_ended_pods_said_stays_when_they_are_gone(tmp_path: Path) -> None:
    """Katib deletes the pods of a trial once it has its metrics."""
    site = make_site(tmp_path, offer_of_all())
    labels = {"katib.kubeflow.org/experiment": "katib-random-1"}
    first = site.cluster.put(experiment(done=0))
    ended = site.cluster.put(run_pod("trial-1", "ml", "Succeeded", labels))
    running = site.cluster.put(run_pod("trial-2", "ml", "Running", labels))
    said = "I1123 10:00:00.1 14 main.go:132]"
    site.cluster.logs["ml", "trial-1"], site.cluster.logs["ml", "trial-2"] = [f"{said} first"], [f"{said} second"]
    async with aclosing(followed(site, first)) as stream:
        assert "first" in (await next_event(stream))[1]
        await next_event(stream)
        site.cluster.found = [one for one in site.cluster.found if one not in (ended, running)]
        site.cluster.put(experiment(done=1))
        part = (await next_event(stream))[1]
        assert "trial-1" in part and "first" in part and "trial-2" not in part
    assert site.cluster.asked.count("log ml/trial-1/metrics-logger-and-collector") == 1


async def test_a_reader_who_leaves_closes_the_watch(site: Site) -> None:
    site.cluster.put(flow(phase="Running"))
    stream = followed(site)
    await anext(stream)
    assert site.cluster.watching == 1
    await stream.aclose()
    await asyncio.sleep(0.05)
    assert site.cluster.watching == 0


async def test_a_deleted_run_ends_the_stream(site: Site) -> None:
    subject = subject_of(site.portal.offer(), WORKFLOW, flow("gone"))
    async with aclosing(states(site.cluster, subject, "ml", "gone")) as seen:
        assert [one async for one in seen] == []


async def test_trouble_of_the_cluster_is_said(site: Site) -> None:
    site.cluster.put(flow(phase="Running"))
    async with aclosing(followed(site)) as stream:
        await next_event(stream)
        await next_event(stream)
        site.cluster.failure = ClusterError(0, "no answer")
        site.cluster.put(flow(phase="Failed"))
        assert await next_event(stream) == ("trouble", "The cluster does not tell more: no answer.")


async def test_health_is_sent_when_it_changes_and_not_otherwise(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEALTH_TICK", 0.01)
    monkeypatch.setattr(live, "LIFE", 0.3)
    monkeypatch.setattr("mlstack_portal.health.SECONDS", 0.0)
    site.cluster.put(deployment("minio"))
    asyncio.get_running_loop().call_later(0.1, lambda: site.cluster.put(deployment("minio", ready=0)))
    found = events((await site.get("/live/health", USER)).text)
    assert [name for name, _ in found] == ["part", "said", "part", "said"]
    assert "needs attention: minio" in found[3][1]


async def test_what_does_not_change_still_beats(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEALTH_TICK", 0.01)
    monkeypatch.setattr(live, "LIFE", 1.0)
    monkeypatch.setattr(live, "BEAT", 0.05)
    assert (await site.get("/live/health", USER)).text.count(": still here\n\n") >= 2


async def test_too_many_streams_are_refused_and_ended_ones_make_room(site: Site) -> None:
    site.cluster.put(flow())
    site.app.state.streams = Streams(1)

    async def nothing() -> AsyncIterator[str]:
        yield event("part", "")

    kept = site.app.state.streams.respond(nothing())
    assert (await site.get("/live/runs/ml/hello-1", ADMIN)).status_code == 503
    assert [part async for part in kept.body_iterator]
    assert (await site.get("/live/runs/ml/hello-1", ADMIN)).status_code == 200
    assert (await site.get("/live/runs/ml/hello-1", ADMIN)).status_code == 200


async def test_a_finished_steps_log_is_read_once(site: Site) -> None:
    run = flow(phase="Running")
    run["status"]["nodes"]["hello-1-n1"]["phase"] = "Succeeded"
    site.cluster.put(step_pod())
    site.cluster.logs["ml", "hello-1-pod"] = ["x"]
    site.cluster.put(run)
    async with aclosing(followed(site)) as stream:
        await next_event(stream)
        await next_event(stream)
        site.cluster.put({**run, "status": {**run["status"], "message": "more"}})
        await next_event(stream)
    assert sum("log ml/" in asked for asked in site.cluster.asked) == 1


def test_the_fakes_meet_the_protocol() -> None:
    from mlstack_portal.cluster import Cluster
    from mlstack_portal.kube import KubeApi

    for name in ("objects", "get", "create", "watch", "log"):
        assert all(hasattr(kind, name) for kind in (Cluster, FakeCluster, KubeApi))
