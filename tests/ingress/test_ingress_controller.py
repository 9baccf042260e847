"""The loop against an API server and gateways in this process: what is written, and when."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from apiworld import INGRESSES, PODS, SECRETS, SERVICES, FakeApi, Serving, account, pod
from ingressworld import CLASS, ingress, path, ready_status, rule, service, split

from mlstack_ingress.controller import RUNS, Controller, Settings
from mlstack_ingress.kube import Api
from mlstack_ingress.ledger import Question
from mlstack_ingress.status import Addresses

WAIT = 10.0
TABLES = (("clusters", ""), ("listeners", ""), ("routes", "external"), ("routes", "internal"))


class Gateway:
    """Asks a controller as Envoy does and takes what it gets. answers: what it has, by kind and table."""

    def __init__(self, name: str, controller: Controller) -> None:
        self.name, self.controller = name, controller
        self.has: dict[tuple[str, str], Any] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self._follow(*one)) for one in TABLES]

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()

    async def _follow(self, kind: str, table: str) -> None:
        while True:
            version = self.has[kind, table].version if (kind, table) in self.has else ""
            answer = await self.controller.discovery.answer(Question(self.name, kind, version, table))
            if answer is not None:
                self.has[kind, table] = answer


class Cluster:
    """The API server, and controllers on it."""

    def __init__(self, api: FakeApi, url: str, directory: Path) -> None:
        self.api, self.url, self.directory = api, url, directory
        self.tasks: list[asyncio.Task[None]] = []
        self.gateways: list[Gateway] = []

    def controller(self, **more: Any) -> Controller:
        settings = Settings(CLASS, "knative-serving", "app=gateway", Addresses("public.svc", "private.svc"), **more)
        made = Controller(Api(self.url, account(self.directory)), settings)
        self.tasks.append(asyncio.create_task(made.run()))
        return made

    def gateway(self, name: str, controller: Controller) -> Gateway:
        made = Gateway(name, controller)
        made.start()
        self.gateways.append(made)
        return made

    def found(self, name: str = "hello") -> dict[str, tuple[str, str]]:
        conditions = self.api.objects[INGRESSES]["team", name].get("status", {}).get("conditions", [])
        return {one["type"]: (one["status"], one.get("reason", "")) for one in conditions}

    def ready(self, name: str = "hello") -> str:
        return self.found(name).get("Ready", ("", ""))[0]

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not what():
                assert not [task for task in self.tasks if task.done()], "a controller ended"
                await asyncio.sleep(0.01)


@asynccontextmanager
async def cluster(directory: Path) -> AsyncIterator[Cluster]:
    api = FakeApi()
    async with Serving(api.app()) as url:
        made = Cluster(api, url, directory)
        try:
            yield made
        finally:
            for one in made.gateways:
                one.stop()
            for task in made.tasks:
                task.cancel()
            await asyncio.gather(*made.tasks, return_exceptions=True)
            api.break_watches()


def run(scene) -> Any:
    """A test that is a coroutine over a cluster."""

    def test(tmp_path: Path) -> None:
        async def play() -> None:
            async with cluster(tmp_path) as made:
                await scene(made)

        asyncio.run(play())

    test.__name__, test.__doc__ = scene.__name__, scene.__doc__
    return test


@run
async def test_an_ingress_is_ready_when_every_gateway_said_so(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    made.api.put(PODS, pod("g1"))
    made.api.put(PODS, pod("g2"))
    controller = made.controller()
    await made.until(lambda: made.ready() == "Unknown")
    made.gateway("g1", controller)
    await made.until(lambda: RUNS in made.api.objects[PODS]["knative-serving", "g1"]["metadata"].get("annotations", {}))
    assert made.found()["Ready"] == ("Unknown", "GatewaysBehind")
    made.gateway("g2", controller)
    await made.until(lambda: made.ready() == "True")
    status = made.api.objects[INGRESSES]["team", "hello"]["status"]
    assert status["privateLoadBalancer"] == {"ingress": [{"domainInternal": "private.svc"}]}
    assert made.api.tokens == {"Bearer the-token"}


@run
async def test_a_gateway_that_ends_or_is_not_ready_holds_nothing_up(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    for one in (pod("g1"), pod("starting", ready=False), pod("ending", deletionTimestamp="2026-11-01T00:00:00Z")):
        made.api.put(PODS, one)
    made.gateway("g1", made.controller())
    await made.until(lambda: made.ready() == "True")


@run
async def test_without_a_gateway_nothing_is_ready(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    made.controller()
    await made.until(lambda: made.ready() == "Unknown")
    message = made.api.objects[INGRESSES]["team", "hello"]["status"]["conditions"][0]["message"]
    assert message == "no gateway is ready"


@run
async def test_two_controllers_with_a_gateway_each_agree(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    made.api.put(PODS, pod("g1"))
    made.api.put(PODS, pod("g2"))
    made.gateway("g1", made.controller())
    made.gateway("g2", made.controller())
    await made.until(lambda: made.ready() == "True")
    await asyncio.sleep(0.5)
    writes = len(made.api.writes)
    await asyncio.sleep(0.5)
    assert len(made.api.writes) == writes, "they write against each other"


@run
async def test_what_was_ready_stays_so_when_the_controller_begins_anew(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(PODS, pod("g1"))
    made.api.put(INGRESSES, ingress(status=ready_status()))
    controller = made.controller()
    await made.until(controller.published.is_set)
    await asyncio.sleep(0.3)
    assert made.api.writes == []


@run
async def test_nothing_is_published_before_all_was_listed(made: Cluster) -> None:
    """Else a gateway would lose its routes to whatever comes with the second list."""
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    made.api.fail_lists = [503, 503, 503]
    controller = made.controller()
    gateway = made.gateway("g1", controller)
    await made.until(controller.published.is_set)
    await made.until(lambda: ("routes", "external") in gateway.has)
    first = gateway.has["routes", "external"].resources[0]
    assert [one["name"] for one in first["virtual_hosts"]] == ["hello.team.example.org"]


@run
async def test_a_change_reaches_the_gateway_and_its_status(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    made.api.put(PODS, pod("g1"))
    gateway = made.gateway("g1", made.controller())
    await made.until(lambda: made.ready() == "True")
    changed = ingress(rule("hello.team.example.org", paths=[path(split("hello-00002"))]), generation=2)
    made.api.put(INGRESSES, {**changed, "status": made.api.objects[INGRESSES]["team", "hello"]["status"]})
    await made.until(lambda: made.found()["Ready"] == ("Unknown", "Waiting"))
    made.api.put(SERVICES, service("hello-00002", "10.0.0.2"))
    await made.until(lambda: made.ready() == "True")
    assert made.api.objects[INGRESSES]["team", "hello"]["status"]["observedGeneration"] == 2
    assert {one["name"] for one in gateway.has["clusters", ""].resources} >= {"team/hello-00002:80"}


@run
async def test_when_the_older_goes_the_other_gets_its_host(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(PODS, pod("g1"))
    made.api.put(INGRESSES, ingress())
    made.api.put(INGRESSES, ingress(rule("hello.team.example.org"), name="late", age=9))
    made.gateway("g1", made.controller())
    await made.until(lambda: made.ready() == "True" and made.found("late").get("Ready") == ("False", "DomainConflict"))
    made.api.delete(INGRESSES, "team", "hello")
    await made.until(lambda: made.ready("late") == "True")


@run
async def test_objects_of_other_classes_and_those_being_deleted_are_left_alone(made: Cluster) -> None:
    other = ingress(name="other")
    other["metadata"]["annotations"]["networking.knative.dev/ingress.class"] = "kourier"
    gone = ingress(name="gone")
    gone["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    for one in (other, gone, ingress()):
        made.api.put(INGRESSES, one)
    made.controller()
    await made.until(lambda: made.ready() == "Unknown")
    assert {name for name, _ in made.api.writes} == {"hello"}


@run
async def test_watches_that_end_are_taken_up_without_a_list_and_those_too_old_with_one(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    controller = made.controller()
    await made.until(lambda: controller.published.is_set() and len(made.api.queues) == 3)
    lists, before = made.api.lists, {id(queue) for _, queue in made.api.queues}
    made.api.break_watches()
    await made.until(lambda: len({id(queue) for _, queue in made.api.queues} - before) == 3)
    assert made.api.lists == lists
    made.api.tell(SERVICES, {"type": "ERROR", "object": {"code": 410, "message": "too old"}})
    await made.until(lambda: made.api.lists == lists + 1)


@run
async def test_a_lost_race_for_the_status_is_run_again(made: Cluster) -> None:
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    put = made.api.put
    races = [ingress(status={"annotations": {"somebody": "else"}})]

    def racing(where: str, obj: dict[str, Any]) -> None:
        put(where, obj)
        if where == PODS and races:
            put(INGRESSES, races.pop())

    made.api.put = racing  # type: ignore[method-assign]
    made.api.put(PODS, pod("g1"))
    made.gateway("g1", made.controller())
    await made.until(lambda: made.ready() == "True")
    assert made.api.objects[INGRESSES]["team", "hello"]["status"]["annotations"] == {"somebody": "else"}


@run
async def test_a_certificate_that_comes_later_ends_the_wait(made: Cluster) -> None:
    from test_envoy import make_pair

    host = "hello.team.example.org"
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress(tls=[{"hosts": [host], "secretName": "cert"}]))
    made.api.put(PODS, pod("g1"))
    controller = made.controller()
    gateway = made.gateway("g1", controller)
    await made.until(lambda: made.found().get("Ready") == ("Unknown", "Waiting"))
    pair = make_pair(host)
    data = {
        "tls.crt": base64.b64encode(pair.chain.encode()).decode(),
        "tls.key": base64.b64encode(pair.key.encode()).decode(),
    }
    made.api.put(SECRETS, {"metadata": {"name": "cert", "namespace": "team"}, "data": data})
    controller._pairs_at = -1000.0  # half a minute later
    controller._wake.set()
    await made.until(lambda: len(gateway.has["listeners", ""].resources) == 4)


@run
async def test_who_may_call_is_read_from_the_stacks_document(made: Cluster) -> None:
    file = made.directory / "access.json"
    file.write_text(json.dumps({"header": "kubeflow-userid", "allowed": {"team": ["ann@example.org"]}}))
    made.api.put(SERVICES, service())
    made.api.put(INGRESSES, ingress())
    gateway = made.gateway("g1", made.controller(access_file=file))
    await made.until(lambda: ("routes", "external") in gateway.has)
    host = gateway.has["routes", "external"].resources[0]["virtual_hosts"][0]
    assert host["routes"][0]["direct_response"]["status"] == 403
    assert host["routes"][0]["match"]["headers"][0]["name"] == "kubeflow-userid"


@pytest.mark.parametrize("text", ["", "{}", '{"header": "x"}'])
def test_a_document_that_says_nothing_lets_nobody_in(text: str, tmp_path: Path) -> None:
    from mlstack_ingress.access import read_access

    (tmp_path / "access.json").write_text(text)
    with pytest.raises((ValueError, KeyError)):
        read_access(tmp_path / "access.json")
