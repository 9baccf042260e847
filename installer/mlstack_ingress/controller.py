"""One turn: what the API server says becomes a snapshot, what gateways run becomes the status of Ingress objects.

Several controllers may run: each writes what it sees, and that is the same. Which version a gateway runs is kept as an annotation
of its pod, so that all of them know it, whichever it asks, and a controller that has just started knows it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlstack_ingress.access import Access, read_access
from mlstack_ingress.kube import Api, ApiError, Mirror, Object
from mlstack_ingress.ledger import Ledger
from mlstack_ingress.listeners import Ports
from mlstack_ingress.model import Key, KeyPair
from mlstack_ingress.pairs import read_pairs
from mlstack_ingress.snapshot import Verdict, World, possible_clusters, secrets_of, translate
from mlstack_ingress.status import Addresses, desired_status
from mlstack_ingress.xds import Discovery

GROUP = "/apis/networking.internal.knative.dev/v1alpha1"
CLASS_ANNOTATION = "networking.knative.dev/ingress.class"
RUNS = "mlstack.dev/ingress-version"
"""On a gateway's pod: the version of the configuration of which it runs every part."""
REFRESH_SECONDS = 30.0
"""How often certificates are read again."""
CHANGED, NOT_THERE = 409, 404
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """ingress_class: whose objects are ours; namespace, selector: where gateways' pods are; keep: see ``Ledger``."""

    ingress_class: str
    namespace: str
    selector: str
    addresses: Addresses
    access_file: Path | None = None
    """Who may call what from outside; none: everybody may everything."""
    ports: Ports = field(default_factory=Ports)
    keep: float = 30.0


class Controller:
    """Mirrors, ledger and the loop between them. ``run`` ends only when cancelled."""

    def __init__(self, api: Api, settings: Settings) -> None:
        """Nothing is asked before ``run``."""
        self._api, self._settings = api, settings
        self._wake = asyncio.Event()
        pods = f"/api/v1/namespaces/{settings.namespace}/pods"
        self._ingresses = Mirror(api, f"{GROUP}/ingresses", self._wake.set)
        self._services = Mirror(api, "/api/v1/services", self._wake.set)
        self._pods = Mirror(api, pods, self._wake.set, {"labelSelector": settings.selector})
        self._pairs: tuple[dict[Key, KeyPair], dict[Key, str]] = ({}, {})
        self._pairs_at, self._pairs_for = 0.0, frozenset[Key]()
        self._said: dict[str, list[str]] = {}
        self.ledger = Ledger(settings.keep)
        self.discovery = Discovery(self.ledger, self._wake.set)
        self.published = asyncio.Event()
        self.turned = time.monotonic()
        """When the loop was last seen alive."""

    async def run(self) -> None:
        """Watches and turns. Nothing is published before everything was listed: half a list would take routes away."""
        mirrors = (self._ingresses, self._services, self._pods)
        async with asyncio.TaskGroup() as group:
            for mirror in mirrors:
                group.create_task(mirror.run())
            for mirror in mirrors:
                while not mirror.synced.is_set():
                    await self._sleep(mirror.synced, REFRESH_SECONDS / 3)
            while True:
                self._wake.clear()
                try:
                    pause = await self._turn()
                except ApiError as error:
                    log.warning("the API server: %s", error)
                    pause = 1.0
                await self._sleep(self._wake, pause)

    async def _sleep(self, until: asyncio.Event, seconds: float) -> None:
        self.turned = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, REFRESH_SECONDS)):  # wait_for may lose a cancellation
                await until.wait()

    async def _turn(self) -> float:
        """Publishes and writes what changed; gives the seconds until there is something to do without a change."""
        objects = self._ours()
        await self._read_pairs(objects)
        services = self._services.objects
        ports, access = self._settings.ports, self._read_access()
        world = World(services=services, pairs=self._pairs[0], faults=self._pairs[1], ports=ports, access=access)
        before = self.ledger.current
        snapshot, verdicts = translate(objects, world, before.used if before else {})
        now = time.monotonic()
        new = self.ledger.publish(snapshot, now, {} if before else possible_clusters(services))
        if self.ledger.expire(self._live(), now) or new:
            log.info("version %s: %d of %d Ingress objects", snapshot.version, len(snapshot.used), len(objects))
            self.discovery.wake()
        self.published.set()
        await self._note_versions()
        settled = [await self._write(obj, verdicts[obj["metadata"]["uid"]]) for obj in objects]
        self._tell_refusals()
        expiry = self.ledger.next_expiry()
        return min(0.5 if not all(settled) else REFRESH_SECONDS, max(expiry - now, 0.5) if expiry else REFRESH_SECONDS)

    def _ours(self) -> list[Object]:
        found = []
        for obj in self._ingresses.objects.values():
            meta = obj["metadata"]
            ours = (meta.get("annotations") or {}).get(CLASS_ANNOTATION) == self._settings.ingress_class
            if ours and not meta.get("deletionTimestamp"):
                found.append(obj)
        return found

    def _read_access(self) -> Access:
        """As the file says now: the kubelet puts a new one in its place. Raises OSError, ValueError."""
        file = self._settings.access_file
        return read_access(file) if file else Access()

    async def _read_pairs(self, objects: list[Object]) -> None:
        wanted, now = frozenset(secrets_of(objects)), time.monotonic()
        if wanted == self._pairs_for and (not wanted or now - self._pairs_at < REFRESH_SECONDS):
            return
        self._pairs = await read_pairs(self._api, wanted)
        self._pairs_for, self._pairs_at = wanted, now

    def _live(self) -> list[str]:
        """Gateways that take requests."""
        return sorted(name for (_, name), pod in self._pods.objects.items() if _takes_requests(pod))

    async def _note_versions(self) -> None:
        for (namespace, name), pod in self._pods.objects.items():
            runs = self.ledger.runs(name)
            if runs and runs != _annotation(pod):
                path = f"/api/v1/namespaces/{namespace}/pods/{name}"
                await self._merge(path, {"metadata": {"annotations": {RUNS: runs}}})

    def _behind(self, obj: Object) -> list[str]:
        """What keeps an Ingress from being routed everywhere."""
        uid, generation = str(obj["metadata"]["uid"]), int(obj["metadata"].get("generation") or 1)
        live = self._live()
        if not live:
            return ["no gateway is ready"]
        late = [
            n for n in live if not self.ledger.holds(_annotation(self._pods.objects[self._pod(n)]), uid, generation)
        ]
        return [f"gateway {name} does not run this yet" for name in late]

    def _pod(self, name: str) -> Key:
        return self._settings.namespace, name

    async def _write(self, obj: Object, verdict: Verdict) -> bool:
        """Writes the status if it is another; whether it could be."""
        meta = obj["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = desired_status(obj, verdict, self._behind(obj), self._settings.addresses, now)
        if status == (obj.get("status") or {}):
            return True
        path = f"{GROUP}/namespaces/{meta['namespace']}/ingresses/{meta['name']}/status"
        change: dict[str, Any] = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}
        ready = next(one for one in status["conditions"] if one["type"] == "Ready")
        log.info("%s/%s: %s %s", meta["namespace"], meta["name"], ready["status"], ready.get("message", ""))
        return await self._merge(path, change)

    async def _merge(self, path: str, change: Object) -> bool:
        """Whether it was written. What changed meanwhile or is gone comes back by its watch. Raises ApiError."""
        try:
            await self._api.merge(path, change)
        except ApiError as error:
            if error.code not in (CHANGED, NOT_THERE):
                raise
            return False
        return True

    def _tell_refusals(self) -> None:
        refusals = self.ledger.refusals()
        for node, parts in refusals.items():
            if self._said.get(node) != parts:
                log.error("gateway %s does not take its %s; its own log says why", node, ", ".join(parts))
        self._said = refusals


def _takes_requests(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _annotation(pod: Object) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(RUNS) or "")
