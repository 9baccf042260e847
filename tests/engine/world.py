"""The parts around the engine for its tests: images, provider, playbooks that note what was asked, and an ``up`` like the app's."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstack.adapters.certificates import OwnAuthority
from mlstack.adapters.kube import KubeClient
from mlstack.adapters.kube_http import Patience
from mlstack.adapters.users import open_users
from mlstack.core.actions import Plan, Report
from mlstack.core.desired import Facts, HostFacts, RenderedStack, Wanted
from mlstack.core.events import Event
from mlstack.core.model import (
    LABEL_INSTANCE,
    LABEL_STACK,
    ClusterFacts,
    ClusterSpec,
    ClusterState,
    ImageRecord,
    ImageSource,
)
from mlstack.core.plan import Abilities, plan_down, plan_up
from mlstack.core.ports import PlaybookResult
from mlstack.engine.access import ClusterAccess
from mlstack.engine.context import Ports
from mlstack.engine.durations import Durations
from mlstack.engine.handle_certificates import observe_certificates
from mlstack.engine.inventory import read_inventories
from mlstack.engine.journal import FileJournal
from mlstack.engine.lock import HostLock, identity
from mlstack.engine.observe import observe_held, observe_objects
from mlstack.engine.run import Runner

QUICK = Patience(first=2.0, later=20.0, failing=20.0, read=0.4, connect=1.0)
INSTANCE = "test"


def labelled(obj: dict, stack: str) -> dict:
    obj["metadata"]["labels"] = {**obj["metadata"].get("labels", {}), LABEL_INSTANCE: INSTANCE, LABEL_STACK: stack}
    return obj


def stack(name: str, *objects: dict, **more: Any) -> RenderedStack:
    marked = tuple(labelled(obj, name) for obj in objects)
    return RenderedStack(name, more.pop("version", "1"), more.pop("namespace", name), marked, **more)


@dataclass
class FakeImages:
    stored: set[str] = field(default_factory=set)
    work: Callable[[str, Callable[[], bool]], None] = lambda _ref, _cancelled: None
    obtained: list[str] = field(default_factory=list)
    source: ImageSource = ImageSource.BUILD

    def source_of(self, ref):
        return self.source, ""

    def cached(self, ref):
        return ImageRecord(ref, "sha256:0", 1, self.source) if ref in self.stored else None

    def obtain(self, ref, emit, step, cancelled):
        self.work(ref, cancelled)
        self.stored.add(ref)
        self.obtained.append(ref)
        return ImageRecord(ref, "sha256:0", 1, self.source)

    def export(self, ref, name=""):
        return contextlib.nullcontext(Path())

    def tool(self, name, emit, step, cancelled):
        self.obtained.append(name)
        return Path(name)


@dataclass
class FakeProvider:
    type: str = "fake"
    asked: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)

    def create(self, spec, emit, step, cancelled):
        self.asked.append("create")

    def delete(self, spec, emit, step):
        self.asked.append("delete")

    def purge(self):
        self.asked.append("purge")

    def start(self, spec, emit, step, cancelled):
        self.asked.append("start")

    def stop(self, spec, emit, step):
        self.asked.append("stop")

    def load_image(self, spec, record, emit, step):
        self.loaded.add(record.ref)
        return True


@dataclass
class FakePlaybooks:
    ran: list[str] = field(default_factory=list)

    def run(self, playbook, variables, emit, step, *, check=False, hosts=("localhost",), cancelled=lambda: False):
        self.ran.append(playbook)
        return PlaybookResult(True, 1, ("engine",))


@dataclass
class FakeStore:
    calls: list[tuple] = field(default_factory=list)

    def ensure_bucket(self, bucket):
        self.calls.append(("bucket", bucket))
        return True

    def ensure_user(self, *names):
        self.calls.append(("user", *names))
        return True

    def remove_user(self, user):
        self.calls.append(("remove user", user))
        return True

    def remove_bucket(self, bucket):
        self.calls.append(("remove bucket", bucket))
        return True

    def remove_access(self, bucket):
        self.calls.append(("remove access", bucket))
        return True

    def end_all(self):
        self.calls.append(("end sessions",))
        return True

    def ensure_database(self, database):
        self.calls.append(("database", database))
        return True


class World:
    """An instance on one API server. Each ``up`` is a process's worth: own client, lock, observation, plan, run."""

    def __init__(self, kubeconfig: Path, state: Path, patience: Patience = QUICK) -> None:
        self.kubeconfig, self.state, self.patience = kubeconfig, state, patience
        self.images, self.provider, self.playbooks, self.store = (
            FakeImages(),
            FakeProvider(),
            FakePlaybooks(),
            FakeStore(),
        )
        self.events: list[Event] = []
        self.cancelled = threading.Event()
        self.spec = ClusterSpec(INSTANCE, "1.36")
        self.cluster = ClusterFacts(ClusterState.RUNNING)
        self.clients: list[KubeClient] = []
        self.forwards: dict[str, Any] = {}
        self.accounts: dict[str, Any] | None = None
        self.later = 0.0

    def client(self) -> KubeClient:
        client = KubeClient(self.kubeconfig, patience=self.patience)
        self.clients.append(client)
        return client

    def ports(self) -> Ports:
        return Ports(
            images=self.images,
            provider=self.provider,
            playbooks=self.playbooks,
            object_store=lambda *_where: self.store,
            database=lambda _kube, _exports: self.store,
            certificates=OwnAuthority(),
            users=open_users,
            sessions=lambda _kube, _exports: self.store,
        )

    def up(
        self, *stacks: RenderedStack, wanted: Wanted | None = None, change: Callable[[Plan], Plan] = lambda plan: plan
    ):
        """Gives the plan and the report."""
        self.state.mkdir(exist_ok=True)
        with HostLock(self.state, "up"):
            access = ClusterAccess(self.client, INSTANCE, identity(self.state, "up"))
            try:
                return self._up(access, wanted or Wanted(self.spec, stacks), change)
            finally:
                access.close()

    def down(self, *, purge: bool = True) -> Report:
        """Takes the instance off a cluster that is not ours."""
        with HostLock(self.state, "down"):
            access = ClusterAccess(self.client, INSTANCE, identity(self.state, "down"))
            try:
                kube = access.writer()
                inventories = read_inventories(kube, INSTANCE)
                facts = Facts(
                    HostFacts("20"), self.cluster, observe_objects(kube, INSTANCE, (), inventories), inventories
                )
                return self.runner(access, inventories).run(
                    plan_down(INSTANCE, facts, Abilities(False, False), purge=purge)
                )
            finally:
                access.close()

    def _up(self, access: ClusterAccess, wanted: Wanted, change) -> tuple[Plan, Report]:
        inventories: Mapping[str, Any] = {}
        live: Mapping[Any, Any] = {}
        certificates: Mapping[Any, Any] = {}
        if self.cluster.state is ClusterState.RUNNING:
            kube = access.writer()
            inventories = read_inventories(kube, INSTANCE)
            live = observe_objects(kube, INSTANCE, wanted.stacks, inventories)
            certificates = observe_certificates(kube, INSTANCE, wanted.stacks, OwnAuthority())
        facts = Facts(
            HostFacts("20"),
            self.cluster,
            live,
            inventories,
            frozenset(self.images.stored),
            accounts=self.accounts,
            certificates=certificates,
            now=time.time() + self.later,
            held=observe_held(kube, wanted.stacks, inventories) if inventories else {},
        )
        plan = change(plan_up(wanted, facts))
        return plan, self.runner(access, inventories).run(plan)

    def runner(self, access: ClusterAccess, inventories: Mapping[str, Any]) -> Runner:
        return Runner(
            spec=self.spec,
            access=access,
            ports=self.ports(),
            journal=FileJournal(self.state / "journal"),
            durations=Durations(self.state / "durations.json"),
            emit=self.events.append,
            cancelled=self.cancelled.is_set,
            inventories=inventories,
        )

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def secret_value(obj: dict, key: str) -> str:
    return base64.b64decode(obj["data"][key]).decode()
