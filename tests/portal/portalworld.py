"""A cluster in memory, an offer as the stack renders it, and both together as the portal's application."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from portalobjects import pipeline_flow, stamp
from starlette.applications import Starlette

from mlstack.adapters.catalog import DataCatalogue
from mlstack.core.model import Object
from mlstack.core.pipelinerequests import run_name
from mlstack_portal.app import make_app
from mlstack_portal.cluster import ClusterError, Kind
from mlstack_portal.health import HealthReader
from mlstack_portal.offer import OfferFile
from mlstack_portal.pipelines import PipelinesError
from mlstack_portal.portal import Portal
from mlstack_portal.who import Forms
from tests.pipelinesworld import EXPORTS

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "stacks" / "portal" / "1.0.0" / "golden" / "objects.yaml"
HOST = "golden.localhost:8443"
ADMIN = {"kubeflow-userid": "admin@example.org", "kubeflow-groups": "admins,staff"}
USER = {"kubeflow-userid": "user@example.org"}
OTHER = {"kubeflow-userid": "other@example.org"}


def offer_text(**changes: Any) -> str:
    """The document of the golden output, with routes as a gateway would have them."""
    objects = list(yaml.safe_load_all(GOLDEN.read_text()))
    config = next(obj for obj in objects if obj["kind"] == "ConfigMap")
    data = json.loads(config["data"]["offer.json"])
    data["platform"]["routes"] = [
        _route("portal", "portal", "/", "required"),
        _route("minio-console", "minio", "/minio/", "required", doc="MinIO's web console", credential="minio"),
        _route("s3", "minio", "/", "own", scheme="s3", subdomain="s3", doc="S3 API, for any S3 client", credential="minio"),
        _route("metrics", "metrics-server", "/metrics/", "none"),
        _route("argo-metrics", "argo-workflows", "/metrics/argo-workflows", "required", role="metrics"),
    ]  # fmt: skip
    return json.dumps({**data, **changes})


def offer_of_all(**changes: Any) -> str:
    """The same with samples of every kind, as where there are training, tuning and pipelines."""
    data = json.loads(offer_text(**{"pipelines": {**EXPORTS, "url": f"https://{HOST}/pipeline"}, **changes}))
    known = data["platform"]["samples"]
    images = {"train-iris": "mlstack.local/train-iris:1", "kfp-python": "mlstack.local/kfp-python:1"}
    for stack, version in (("katib", "0.19.0"), ("training", "2.3.0"), ("kubeflow-pipelines", "2.0.5")):
        for sample in DataCatalogue(ROOT).entry(stack, version).samples:
            first = known[0]["context"]
            context = {**first, "capability": {**first["capability"], **first["exports"]}}
            context |= {"stack": {"name": stack}, "images": images}
            document = sample.model_dump(mode="json", by_alias=True)
            known.append({"stack": stack, "document": document, "context": context, "ground": [stack, "minio"]})
    return json.dumps(data)


def _route(name: str, stack: str, prefix: str, auth: str, **more: str) -> dict[str, Any]:
    host = f"{more['subdomain']}.{HOST}" if "subdomain" in more else HOST
    defaults = {"scheme": "http", "rewrite": "", "subdomain": "", "credential": "", "doc": "", "role": ""}
    place = {
        "namespace": stack,
        "service": name,
        "port": 80,
        "prefix": prefix,
        "auth": auth,
        "url": f"https://{host}{prefix}",
    }
    return {**defaults, **place, "name": name, "stack": stack, **more}  # fmt: skip


@dataclass
class FakeCluster:
    """Objects in memory. failure: raised by every call; asked: the calls made; watching: watches that are open.

    refused: raised when something is created; without_rights: (user, plural, namespace) of what a user may not create; reviewed:
    the reviews of rights that were asked for.
    """

    found: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    failure: ClusterError | None = None
    refused: ClusterError | None = None
    without_rights: set[tuple[str, str, str]] = field(default_factory=set)
    reviewed: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    watching: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Adds or replaces an object."""
        self.found = [one for one in self.found if _key(one) != _key(obj)] + [copy.deepcopy(obj)]
        self.changed.set()
        self.changed = asyncio.Event()
        return obj

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.failure:
            raise self.failure

    async def objects(
        self, kind: Kind, namespace: str = "", selector: str = "", fields: str = "", *, metadata_only: bool = False
    ) -> list[dict[str, Any]]:
        self._note(f"list {kind.plural} {namespace}")
        found = [
            one
            for one in self.found
            if one["kind"] == kind.name and namespace in ("", one["metadata"].get("namespace"))
        ]
        found = [one for one in found if matches(one, selector, fields)]
        return [{**one, "spec": None, "status": None} if metadata_only else one for one in copy.deepcopy(found)]  # fmt: skip

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        self._note(f"get {kind.plural} {namespace}/{name}")
        return copy.deepcopy(next((one for one in self.found if _key(one) == (kind.name, namespace, name)), None))

    async def create(self, kind: Kind, namespace: str, obj: dict[str, Any]) -> dict[str, Any]:
        self._note(f"create {kind.plural} {namespace}")
        if kind.name == "SubjectAccessReview":
            self.reviewed.append(obj["spec"])
            asked = obj["spec"]["resourceAttributes"]
            assert asked["verb"] == "create"
            key = (obj["spec"]["user"], asked["resource"], asked["namespace"])
            return {**obj, "status": {"allowed": key not in self.without_rights}}
        if self.refused:
            raise self.refused
        made = copy.deepcopy(obj)
        made["metadata"].setdefault("name", f"{made['metadata'].get('generateName', 'x-')}{len(self.found):05}")
        made["metadata"] |= {"namespace": namespace, "creationTimestamp": stamp(0)}
        return self.put(made)

    async def watch(self, kind: Kind, namespace: str, name: str, seconds: int) -> AsyncIterator[dict[str, Any] | None]:
        self.watching += 1
        try:
            while True:
                change = self.changed
                found = await self.get(kind, namespace, name)
                yield found
                if found is None:
                    return
                await change.wait()
        finally:
            self.watching -= 1

    async def log(self, namespace: str, pod: str, container: str, tail: int) -> list[str]:
        self._note(f"log {namespace}/{pod}/{container}")
        return self.logs.get((namespace, pod), [])[-tail:]


def _key(obj: dict[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def matches(obj: dict[str, Any], selector: str, fields: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for part in filter(None, selector.split(",")):
        if part.startswith("!"):
            if part[1:] in labels:
                return False
            continue
        key, equals, value = part.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    for part in filter(None, fields.split(",")):
        path, _, value = part.partition("=")
        here: Any = obj
        for step in path.split("."):
            here = (here or {}).get(step)
        if here != value:
            return False
    return True


@dataclass
class FakePipelines:
    """What runs pipelines. failure: raised by every call; submitted, recorded: the calls made."""

    cluster: FakeCluster
    failure: PipelinesError | None = None
    submitted: list[tuple[Any, ...]] = field(default_factory=list)
    recorded: list[tuple[Any, ...]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)

    async def submit(self, exports: Mapping[str, str], obj: Object) -> str:
        if self.failure:
            raise self.failure
        namespace, name = obj["metadata"]["namespace"], run_name(obj)
        self.submitted.append((namespace, name, obj["spec"]["pipeline"], obj["spec"].get("parameters") or {}))
        self.cluster.put(pipeline_flow(name, namespace, "Pending"))
        return "run-7"

    async def record(self, exports: Mapping[str, str], namespace: str, run: str) -> Mapping[str, Any] | None:
        if self.failure:
            raise self.failure
        self.recorded.append((namespace, run))
        return {"steps": self.steps}


@dataclass
class Site:
    """The application over a fake cluster, asked as the gateway asks it."""

    cluster: FakeCluster
    app: Starlette
    forms: Forms
    clock: list[float]
    pipelines: FakePipelines

    @property
    def portal(self) -> Portal:
        found: Portal = self.app.state.portal
        return found

    def client(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url=f"https://{HOST}", headers=headers or {})

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with self.client(ADMIN if headers is None else headers) as client:
            return await client.get(path)


def make_site(directory: Path, text: str = "") -> Site:
    path = directory / "offer.json"
    path.write_text(text or offer_text())
    clock = [1000.0]
    cluster, forms = FakeCluster(), Forms(b"k" * 43, lambda: clock[0])
    pipelines = FakePipelines(cluster)
    portal = Portal(cluster, OfferFile(path), forms, HealthReader(cluster), pipelines)
    return Site(cluster, make_app(portal), forms, clock, pipelines)
