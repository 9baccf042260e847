"""What goes on, as server-sent events: parts of pages, rendered here, sent when they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mlstack.core.model import Object
from mlstack_portal.cluster import Cluster, ClusterError
from mlstack_portal.detail import RunReader
from mlstack_portal.health import summary
from mlstack_portal.pages import found_run
from mlstack_portal.portal import Portal, portal_in, user_in
from mlstack_portal.subjects import Subject

LIFE = 300.0
"""Seconds after which a stream ends. The browser then asks anew, and with that the gateway whether the session holds."""
TICK = 2.0
"""Seconds between two looks at log lines, which no watch tells of."""
HEALTH_TICK = 5.0
"""Seconds between two looks at the components."""
BEAT = 15.0
"""Seconds after which something is sent even if nothing changed, so that nothing between here and there gives up."""
STREAMS = 100
"""Streams at once; more of them get 503, and their pages stay as they are."""

Changes = asyncio.Queue[Object | ClusterError | None]
Render = Callable[[], Awaitable[tuple[str, str, bool]]]
"""Gives (part of the page, one sentence about it, whether it is the last one)."""


class Streams:
    """Counts the streams that are open."""

    def __init__(self, most: int = STREAMS) -> None:
        self._left = most

    def respond(self, events: AsyncIterator[str]) -> Response:
        """The stream, or 503 when there are too many."""
        if self._left <= 0:
            return Response("too many open pages", 503)
        self._left -= 1
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._counted(events), media_type="text/event-stream", headers=headers)

    async def _counted(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for event in events:
                yield event
        finally:
            self._left += 1


def event(name: str, text: str) -> str:
    """One server-sent event."""
    return "".join([f"event: {name}\n", *(f"data: {line}\n" for line in text.split("\n")), "\n"])


async def health(request: Request) -> Response:
    """The components of the home page."""
    portal, groups = portal_in(request), user_in(request).groups

    async def render() -> tuple[str, str, bool]:
        offer = portal.offer()
        found = await portal.health.read(offer)
        return portal.text("_health.html", found=found, addresses=offer.open_to(groups)), summary(found), False

    async def pauses() -> AsyncGenerator[None, None]:
        while True:
            yield None
            await asyncio.sleep(HEALTH_TICK)

    streams: Streams = request.app.state.streams
    return streams.respond(changes(render, pauses()))


async def run(request: Request) -> Response:
    """One run, to its end."""
    portal = portal_in(request)
    subject, obj = await found_run(portal, request)  # answers 404 before anything is streamed
    streams: Streams = request.app.state.streams
    return streams.respond(_run(portal, subject, obj))


async def _run(portal: Portal, subject: Subject, obj: Object) -> AsyncIterator[str]:
    current, reader = [obj], RunReader(portal.cluster, portal.pipelines, subject, obj)

    async def render() -> tuple[str, str, bool]:
        detail = await reader.read(current[0], portal.offer())
        return portal.text("_run.html", detail=detail), detail.said, detail.run.done

    async def moments() -> AsyncGenerator[None, None]:
        metadata = obj["metadata"]
        async with aclosing(states(portal.cluster, subject, metadata["namespace"], metadata["name"])) as seen:
            async for state in seen:
                current[:] = [state]
                yield None

    async for text in changes(render, moments()):
        yield text


async def changes(render: Render, moments: AsyncGenerator[None, None]) -> AsyncIterator[str]:
    """Events for what ``render`` gives at each moment, when it differs from the last time; ``end`` after the last one."""
    shown = said = ""
    ends, beat = time.monotonic() + LIFE, time.monotonic()
    try:
        async for _ in moments:
            part, sentence, last = await render()
            if part != shown:
                shown, beat = part, time.monotonic()
                yield event("part", part)
            if sentence != said:
                said = sentence
                yield event("said", sentence)
            if last:
                yield event("end", "")
                return
            if time.monotonic() - beat > BEAT:
                beat = time.monotonic()
                yield ": still here\n\n"
            if time.monotonic() > ends:
                return
    except ClusterError as error:
        yield event("trouble", f"The cluster does not tell more: {error.message}.")
    finally:
        await moments.aclose()


async def states(cluster: Cluster, subject: Subject, namespace: str, name: str) -> AsyncGenerator[Object, None]:
    """A run's object after each change, and every TICK seconds as it was last; ends with the run. Raises ClusterError."""
    queue: Changes = asyncio.Queue()
    task = asyncio.create_task(_follow(cluster, subject, namespace, name, queue))
    last: Object | None = None
    try:
        while True:
            with suppress(TimeoutError):
                got = await asyncio.wait_for(queue.get(), TICK)
                if isinstance(got, ClusterError):
                    raise got
                if got is None:
                    return
                last = got
            if last is not None:
                yield last
                if subject.state.finished(last):
                    return
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(cluster: Cluster, subject: Subject, namespace: str, name: str, queue: Changes) -> None:
    """Puts each change of a run's object into ``queue``; None once it is deleted, the error when the cluster does not answer."""
    try:
        while True:
            async for state in cluster.watch(subject.kind, namespace, name, int(LIFE)):
                await queue.put(state)
                if state is None:
                    return
            await asyncio.sleep(TICK)  # a server that ends every watch at once must not be asked without a pause
    except ClusterError as error:
        await queue.put(error)
