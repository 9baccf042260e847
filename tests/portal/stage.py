"""The portal on a port of this host over a cluster in memory whose runs go on by themselves, for a browser to look at.

``python tests/portal/stage.py`` serves it until it is interrupted.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from portalobjects import deployment, experiment, flow, profile, run_pod, share, stamp, step_pod, waiting_pod, warning
from portalworld import FakeCluster, make_site, offer_of_all
from starlette.types import ASGIApp, Receive, Scope, Send

from mlstack_portal.app import make_app
from mlstack_portal.cluster import WORKFLOW, Kind
from mlstack_portal.health import HealthReader
from mlstack_portal.portal import Portal

STACKS = ("storage", "minio", "mysql", "argo-workflows", "metrics-server", "portal")

PROGRESS = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@dataclass
class GoingOn(FakeCluster):
    """A cluster in which each run that is created starts, writes log lines and succeeds."""

    pace: float = 0.4
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def create(self, kind: Kind, namespace: str, obj: dict[str, Any]) -> dict[str, Any]:
        made = await FakeCluster.create(self, kind, namespace, obj)
        if kind != WORKFLOW:
            return made
        task = asyncio.create_task(self._go_on(made))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return made

    async def _go_on(self, made: dict[str, Any]) -> None:
        name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
        who = {item["name"]: item["value"] for item in made["spec"]["arguments"]["parameters"]}.get("who", "")
        for phase in ("Pending", "Running", "Succeeded"):
            await asyncio.sleep(self.pace)
            now = copy.deepcopy(flow(name, namespace, phase, age=12))
            now["metadata"]["annotations"] = made["metadata"]["annotations"]
            for node in now["status"]["nodes"].values():
                for parameter in node["outputs"].get("parameters", []):
                    parameter["value"] = f"Hello, {who}!"
            if phase == "Running":
                self.put(step_pod(name, namespace))
                self.logs[namespace, f"{name}-pod"] = [f"Hello, {who}!"]
            self.put(now)


class StandIn:
    """What the gateway does, as far as the portal sees it: an identity on every request, nobody's own one."""

    def __init__(self, app: ASGIApp, user: str, groups: str) -> None:
        self._app = app
        self._own = [(b"kubeflow-userid", user.encode()), (b"kubeflow-groups", groups.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept = [pair for pair in scope["headers"] if not pair[0].startswith(b"kubeflow-")]
            scope = {**scope, "headers": [*kept, *self._own]}
        await self._app(scope, receive, send)


def furnish(cluster: FakeCluster) -> None:
    """Components of which one starts and one fails, profiles, and runs of every kind, one of which does not go on."""
    for stack in STACKS:
        cluster.put(deployment(stack, ready=0 if stack in ("mysql", "metrics-server") else 1))
    cluster.put(waiting_pod("mysql", "CrashLoopBackOff", last={"exitCode": 137, "reason": "OOMKilled"}))
    stuck = deployment("metrics-server", ready=0)
    stuck["status"]["conditions"] = [{**PROGRESS, "message": "ReplicaSet has timed out progressing"}]
    cluster.put(stuck)
    cluster.put(profile("anna", "anna.of-the-very-long-address@department.example.org"))
    cluster.put(share("anna", "admin@example.org", "edit"))
    cluster.put(flow("train-iris-x7k2p", "ml", "Running", age=95))
    cluster.put(step_pod("train-iris-x7k2p"))
    lines = [f"line {number} of the training, loss {1 / number:.4f}" for number in range(1, 60)]
    cluster.logs["ml", "train-iris-x7k2p-pod"] = lines
    cluster.put(flow("hello-4rt9w", "ml", "Failed", age=4000, message="child 'hello-4rt9w-n1' failed"))
    cluster.put(flow("hello-zz81m", "anna", age=90000))
    cluster.put(experiment("katib-random-7n4qd", done=2, age=200))
    labels = {"katib.kubeflow.org/experiment": "katib-random-7n4qd"}
    cluster.put(run_pod("katib-random-7n4qd-x5x8-k2v7d", "ml", "Running", labels))
    said = "I1123 10:00:00.1 14 main.go:132] epoch 1"
    cluster.logs["ml", "katib-random-7n4qd-x5x8-k2v7d"] = [said, said.replace("epoch 1", "accuracy=0.8833")]
    text = 'pods "katib-random-7n4qd-c9sw-" is forbidden: exceeded quota: profile, requested: pods=1, used: pods=5'
    cluster.put(warning("Job", "katib-random-7n4qd-c9sw", "ml", "FailedCreate", text))


@contextmanager
def served(
    directory: Path, user: str = "admin@example.org", groups: str = "admins,staff"
) -> Iterator[tuple[str, GoingOn]]:
    """(address, cluster) of a portal that answers."""
    site, cluster = make_site(directory, offer_of_all()), GoingOn()
    furnish(cluster)
    portal = Portal(cluster, site.portal.offer, site.forms, HealthReader(cluster), site.pipelines)
    app = StandIn(make_app(portal), user, groups)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", cluster
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, served(Path(place)) as (url, _):
        print(f"{url} at {stamp(0)}; end with Ctrl-C")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
