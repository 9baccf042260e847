"""Ports kept in memory: an engine whose nodes are dictionaries, a shell that plays kind, a host that is what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Event
from mlstack.core.host import HostInfo, PortUser
from mlstack.core.model import ClusterSpec, ImageRecord, ImageSource, Paths
from mlstack.core.ports import ContainerInfo, Process
from mlstack.providers.kind import CLUSTER_LABEL, ROLE_LABEL, KindProvider

DIGEST = "sha256:" + "0123456789ab" + "c" * 52


def unreachable() -> MlstackError:
    return MlstackError(
        "engine.unreachable", "the container engine does not answer", remedy="start it", exit_code=ExitCode.PREFLIGHT
    )


@dataclass
class FakeEngine:
    nodes: dict[str, ContainerInfo] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    runtime: dict[str, dict[str, str]] = field(default_factory=dict)
    limits: list[tuple[str, int, float]] = field(default_factory=list)
    stopped: list[tuple[str, int]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=lambda: {"CgroupVersion": "2", "NCPU": 4, "MemTotal": 16 << 30})
    dead: bool = False
    runtime_down: bool = False
    loads: int = 0
    clock: float = 1000.0

    def _alive(self) -> None:
        if self.dead:
            raise unreachable()

    def version(self) -> str:
        self._alive()
        return "28.2.2"

    def info(self) -> Mapping[str, Any]:
        self._alive()
        return self.facts

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerInfo]:
        self._alive()
        wanted = [node for node in self.nodes.values() if labels.items() <= node.labels.items()]
        return sorted(wanted, key=lambda node: node.name)

    def has_image(self, ref: str) -> bool:
        return ref in self.names

    def images(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self.names if name.startswith(prefix))

    def load(self, archive: Path) -> None:
        self.loads += 1
        self.names.add(archive.read_text())

    def remove_image(self, ref: str) -> None:
        self.names.discard(ref)

    def start(self, container: str) -> None:
        self.clock += 10
        self.nodes[container] = replace(self.nodes[container], state="running", started=self.clock)

    def stop(self, container: str, timeout: int) -> None:
        self.stopped.append((container, timeout))
        self.nodes[container] = replace(self.nodes[container], state="exited")

    def execute(
        self, container: str, argv: Sequence[str], *, stdin: Path | bytes | None = None, timeout: float = 120.0
    ) -> Process:
        if argv[0] == "bash":
            self.scripts.append(container)
            return Process(0, "killed abc\n")
        if self.runtime_down:
            return Process(1, "", "ctr: cannot access socket")
        images = self.runtime.setdefault(container, {})
        if "import" in argv:
            assert isinstance(stdin, Path)
            images[stdin.read_text()] = DIGEST
            return Process(0, "")
        if "ls" in argv:
            only = argv[-1].removeprefix("name==") if argv[-1].startswith("name==") else ""
            rows = [f"{name} type {digest} 1 MiB" for name, digest in images.items() if only in ("", name)]
            return Process(0, "\n".join(["REF TYPE DIGEST SIZE", *rows]))
        return Process(0, "journal of the node")

    def remove(self, container: str) -> None:
        self.nodes.pop(container, None)

    def limit(self, container: str, *, memory: int, cpus: float) -> None:
        self.limits.append((container, memory, cpus))

    def remove_network(self, name: str) -> bool:
        found = name in self.networks
        self.networks.discard(name)
        return found

    def logs(self, container: str, tail: int) -> str:
        return "last words of the node\n"

    def add(
        self, cluster: str, name: str, *, role: str = "control-plane", network: str = "", state: str = "running"
    ) -> None:
        self.nodes[name] = ContainerInfo(
            id=f"id-{name}-{self.clock}",
            name=name,
            image="node",
            state=state,
            labels={CLUSTER_LABEL: cluster, ROLE_LABEL: role},
            started=self.clock,
            networks=(network or f"mlstack-{cluster}",),
        )


@dataclass
class KindShell:
    """Plays the kind program against a FakeEngine. fail: exit code of ``create``; killed: it ends like a killed process."""

    engine: FakeEngine
    fail: int = 0
    killed: bool = False
    calls: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)

    def which(self, program: str) -> Path | None:
        return None

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
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Process:
        words = list(argv)
        self.calls.append((words, dict(env or {})))
        kubeconfig = Path(words[words.index("--kubeconfig") + 1])
        if words[1] == "create":
            document = yaml.safe_load(Path(words[words.index("--config") + 1]).read_text())
            self.documents.append(document)
            network = dict(env or {})["KIND_EXPERIMENTAL_DOCKER_NETWORK"]
            self.engine.networks.add(network)
            for index, node in enumerate(document["nodes"]):
                name = f"{document['name']}-{node['role']}{index or ''}"
                self.engine.add(document["name"], name, role=node["role"], network=network)
            if self.killed:
                raise KeyboardInterrupt
            if on_line:
                for line in (" • Preparing nodes 📦   ...", " ✓ Preparing nodes 📦 ", "noise"):
                    on_line(line)
            if self.fail:
                return Process(
                    self.fail, "", "warning\nERROR: failed to create cluster: no space left\nCommand Output: x"
                )
        kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        kubeconfig.write_text("apiVersion: v1\n")
        return Process(0, "")


@dataclass
class FakeImages:
    directory: Path
    stored: dict[str, str] = field(default_factory=dict)
    exports: list[tuple[str, str]] = field(default_factory=list)

    def source_of(self, ref: str) -> tuple[ImageSource, str]:
        return ImageSource.BUILD, ""

    def cached(self, ref: str) -> ImageRecord | None:
        if ref.startswith("unknown/"):
            raise MlstackError("image.unknown", ref)
        return self._record(ref) if ref in self.stored else None

    def obtain(self, ref: str, emit: Callable[[Event], None], step: str, cancelled: Callable[[], bool]) -> ImageRecord:
        self.stored.setdefault(ref, DIGEST)
        return self._record(ref)

    @contextmanager
    def export(self, ref: str, name: str = "") -> Iterator[Path]:
        self.exports.append((ref, name))
        path = self.directory / "archive"
        path.write_text(name or ref)
        yield path

    def tool(self, name: str, emit: Any, step: str, cancelled: Any) -> Path:
        return Path("/usr/bin") / name

    def _record(self, ref: str) -> ImageRecord:
        return ImageRecord(ref, self.stored[ref], 10, ImageSource.BUILD)


@dataclass
class FakeHost:
    facts: HostInfo = field(
        default_factory=lambda: HostInfo(distribution="debian", init="systemd", cgroup=2, root=True)
    )
    free: int = 100 << 30
    taken: dict[int, PortUser] = field(default_factory=dict)

    def info(self) -> HostInfo:
        return self.facts

    def free_disk(self, path: Path) -> int:
        return self.free

    def port_users(self, ports: Iterable[tuple[str, int]]) -> Mapping[int, PortUser]:
        return {port: self.taken[port] for _, port in ports if port in self.taken}


class AwakeKube:
    """An API server that answers at once and has no pods."""

    def server_version(self) -> str:
        return "v1.36.3"

    def resource(self, api_version: str, kind: str) -> str:
        return kind

    def list(self, resource: str) -> list[dict[str, Any]]:
        return []

    def close(self) -> None:
        return


@dataclass
class World:
    engine: FakeEngine
    shell: KindShell
    images: FakeImages
    host: FakeHost
    provider: KindProvider
    paths: Paths
    events: list[Event]
    spec: ClusterSpec = field(default_factory=lambda: ClusterSpec("lab", "1.36.3"))

    def create(self, spec: ClusterSpec | None = None) -> None:
        self.provider.create(spec or self.spec, self.events.append, "cluster", lambda: False)

    def start(self) -> None:
        self.provider.start(self.spec, self.events.append, "start", lambda: False)

    def stop(self) -> None:
        self.provider.stop(self.spec, self.events.append, "stop")

    def delete(self) -> None:
        self.provider.delete(self.spec, self.events.append, "delete")

    def preflight(self, spec: ClusterSpec | None = None) -> list[MlstackError]:
        return list(self.provider.preflight(spec or self.spec))
