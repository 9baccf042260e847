"""The streams: what is sent when something changes, and that nothing stays open afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from portalworld import ADMIN, USER, FakeCluster, Site, deployment, flow, step_pod

import mlstack_portal.live as live
from mlstack_portal.cluster import ClusterError
from mlstack_portal.live import Streams, _run, event, flows

pytestmark = pytest.mark.anyio


def events(text: str) -> list[tuple[str, str]]:
    """(name, data) of each event of a stream."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        name = next((value for key, _, value in lines if key == "event"), "")
        found.append((name, "\n".join(value for key, _, value in lines if key == "data")))
    return found


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
    async with aclosing(_run(site.portal, "ml", "hello-1")) as stream:
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
    async with aclosing(_run(site.portal, "ml", "hello-1")) as stream:
        assert "No log lines yet" in (await next_event(stream))[1]
        await next_event(stream)
        site.cluster.logs["ml", "hello-1-pod"] = ["a new line"]
        assert "a new line" in (await next_event(stream))[1]


async def test_a_reader_who_leaves_closes_the_watch(site: Site) -> None:
    site.cluster.put(flow(phase="Running"))
    stream = _run(site.portal, "ml", "hello-1")
    await anext(stream)
    assert site.cluster.watching == 1
    await stream.aclose()
    await asyncio.sleep(0.05)
    assert site.cluster.watching == 0


async def test_a_deleted_run_ends_the_stream(site: Site) -> None:
    async with aclosing(flows(site.cluster, "ml", "gone")) as seen:
        assert [one async for one in seen] == []


async def test_trouble_of_the_cluster_is_said(site: Site) -> None:
    site.cluster.put(flow(phase="Running"))
    async with aclosing(_run(site.portal, "ml", "hello-1")) as stream:
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
    monkeypatch.setattr(live, "LIFE", 0.2)
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
    async with aclosing(_run(site.portal, "ml", "hello-1")) as stream:
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
