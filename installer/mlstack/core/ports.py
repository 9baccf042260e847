"""What the engine and the use cases need from the outside, as protocols; adapters and fakes implement them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit
from mlstack.core.model import ClusterFacts, ClusterSpec, ImageRecord, ImageSource, Object, ResourceId

Cancelled = Callable[[], bool]
"""True once the user asked to stop; long work checks it at least every second."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change of a watched object. type: ADDED, MODIFIED, DELETED."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A served resource: its plural name and whether it lives in namespaces."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool


class Kube(Protocol):
    """The Kubernetes API.

    ``watch`` starts with an ADDED event for every object there is, and ends after ``timeout`` seconds or when the server
    says so; ``fields`` is a field selector. Errors are MlstackError with codes kube.unreachable, kube.forbidden,
    kube.not-found, kube.conflict, kube.invalid, kube.too-old (410), kube.failed. Throttling, resets and 5xx are retried
    inside within a bound, honouring Retry-After; a create is never sent twice blindly. ``token`` gives a service account's
    token and the time it ends (RFC 3339).
    """

    def server_version(self) -> str: ...
    def resource(self, api_version: str, kind: str) -> ApiResource | None: ...
    def forget_discovery(self) -> None: ...
    def list_metadata(self, resource: ApiResource, selector: str = "", namespace: str = "") -> list[Object]: ...
    def list(self, resource: ApiResource, selector: str = "", namespace: str = "") -> list[Object]: ...
    def get(self, rid: ResourceId) -> Object | None: ...
    def apply(self, obj: Object, *, force: bool = True, dry_run: bool = False) -> Object: ...
    def create(self, obj: Object) -> Object: ...
    def review(self, obj: Object) -> Object: ...
    def replace(self, obj: Object) -> Object: ...
    def patch(self, rid: ResourceId, patch: Mapping[str, Any]) -> Object: ...
    def delete(self, rid: ResourceId, *, propagation: str = "Background", uid: str = "") -> bool: ...
    def watch(
        self,
        resource: ApiResource,
        *,
        namespace: str = "",
        selector: str = "",
        fields: str = "",
        timeout: float = 60.0,
    ) -> Iterator[WatchEvent]: ...
    def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        tail: int = 0,
        follow: bool = False,
        previous: bool = False,
    ) -> Iterator[str]: ...
    def execute(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: str = "",
        timeout: float = 60.0,
    ) -> tuple[int, str, str]: ...
    def forward(self, namespace: str, service: str, port: int) -> AbstractContextManager[int]: ...
    def token(self, namespace: str, account: str, audiences: Sequence[str], seconds: int) -> tuple[str, str]: ...
    def close(self) -> None: ...


class Images(Protocol):
    """The artifact backends behind one port. ``obtain`` is idempotent and verifies what it returns."""

    def source_of(self, ref: str) -> tuple[ImageSource, str]: ...
    def cached(self, ref: str) -> ImageRecord | None: ...
    def obtain(self, ref: str, emit: Emit, step: str, cancelled: Cancelled) -> ImageRecord: ...
    def export(self, ref: str, name: str = "") -> AbstractContextManager[Path]: ...
    def tool(self, name: str, emit: Emit, step: str, cancelled: Cancelled) -> Path: ...


class ClusterProvider(Protocol):
    """A way to have a cluster. Every method is idempotent; errors name what was found and the remedy."""

    @property
    def type(self) -> str: ...

    def preflight(self, spec: ClusterSpec) -> Sequence[MlstackError]: ...
    def observe(self, spec: ClusterSpec) -> ClusterFacts: ...
    def create(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None: ...
    def delete(self, spec: ClusterSpec, emit: Emit, step: str) -> None: ...
    def purge(self) -> None: ...
    def start(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None: ...
    def stop(self, spec: ClusterSpec, emit: Emit, step: str) -> None: ...
    def kubeconfig(self, spec: ClusterSpec) -> Path: ...
    def load_image(self, spec: ClusterSpec, record: ImageRecord, emit: Emit, step: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class PlaybookResult:
    """changed: tasks that changed the host; changes: their names."""

    ok: bool
    changed: int
    changes: tuple[str, ...] = ()
    error: MlstackError | None = None


class Playbooks(Protocol):
    """Ansible. Task events become StepProgress; ``check`` only predicts."""

    def run(
        self,
        playbook: str,
        variables: Mapping[str, Any],
        emit: Emit,
        step: str,
        *,
        check: bool = False,
        hosts: Sequence[str] = ("localhost",),
        cancelled: Cancelled = lambda: False,
    ) -> PlaybookResult: ...


class Journal(Protocol):
    """Intent log on disk: what is about to be done and what was done, so that a killed run can be resumed.

    durable: the record is on the disk (fsync) before the call returns; else it is only ordered before the next durable one.
    """

    def begin(self, run: str, command: str, plan: str) -> None: ...
    def record(
        self, action: str, state: str, detail: Mapping[str, Any] | None = None, *, durable: bool = True
    ) -> None: ...
    def end(self, outcome: str) -> None: ...
    def unfinished(self) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Process:
    """A finished program. output holds stdout, errors the tail of stderr; secrets never travel in argv."""

    code: int
    output: str
    errors: str = ""


class Shell(Protocol):
    """Programs on the host. A timeout or a cancel ends the whole process group. env is added to this process's own;
    on_line gets the lines of stdout and stderr. Errors: shell.not-found, shell.timeout, run.interrupted."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | Path | None = None,
        timeout: float = 600.0,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Process: ...
    def which(self, program: str) -> Path | None: ...


class Download(Protocol):
    """HTTP(S) downloads. Errors: download.unreachable, download.refused, download.not-found, download.too-large,
    download.hash-mismatch, disk.*, run.interrupted. on_progress gets bytes done and total (0 unknown)."""

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        sha256: str = "",
        limit: int = 8 << 30,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
        cancelled: Cancelled = lambda: False,
    ) -> Path: ...
    def read(self, url: str, *, limit: int = 4 << 20, headers: Mapping[str, str] | None = None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """A container of the engine. state: running, exited, created, paused, dead ...; started: seconds since the epoch."""

    id: str
    name: str
    image: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    started: float = 0.0
    networks: tuple[str, ...] = ()


class Engine(Protocol):
    """The container engine (Docker). Errors: engine.unreachable, engine.too-old, engine.failed, engine.timeout."""

    def version(self) -> str: ...
    def info(self) -> Mapping[str, Any]: ...
    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerInfo]: ...
    def has_image(self, ref: str) -> bool: ...
    def images(self, prefix: str) -> Sequence[str]: ...
    def load(self, archive: Path) -> None: ...
    def remove_image(self, ref: str) -> None: ...
    def start(self, container: str) -> None: ...
    def stop(self, container: str, timeout: int) -> None: ...
    def execute(
        self, container: str, argv: Sequence[str], *, stdin: Path | bytes | None = None, timeout: float = 120.0
    ) -> Process: ...
    def remove(self, container: str) -> None: ...
    def limit(self, container: str, *, memory: int, cpus: float) -> None: ...
    def remove_network(self, name: str) -> bool: ...
    def logs(self, container: str, tail: int) -> str: ...
