"""The kind provider: a cluster in containers of this host's Docker engine, of its own network, that only it touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, StepProgress
from mlstack.core.host import HostProbe
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState, ImageRecord, Paths
from mlstack.core.ports import Cancelled, ContainerInfo, Engine, Images, Shell
from mlstack.core.releasefile import Node
from mlstack.providers.awaken import Connect, await_api, await_pods, stop_if
from mlstack.providers.checks import Need, as_errors
from mlstack.providers.kindcli import KindCli
from mlstack.providers.kindconfig import kind_config, limits, reference
from mlstack.providers.kindpreflight import preflight_checks
from mlstack.providers.kindstate import in_the_way, judge, network_of, surroundings
from mlstack.providers.nodes import Nodes
from mlstack.providers.ownership import Ownership, Record

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
ROLE_LABEL = "io.x-k8s.kind.role"
_STOP_SECONDS = 3


@dataclass(frozen=True)
class KindProvider:
    """ClusterProvider. Every port is a constructor argument; node: the release's node recipe.

    connect: opens the cluster's API; revive: starts a dead container engine (the host playbook), or raises;
    need: what preflight must find free on the host, computed by the caller from what is not cached yet.
    """

    engine: Engine
    shell: Shell
    images: Images
    host: HostProbe
    paths: Paths
    node: Node
    connect: Connect
    revive: Callable[[Emit, str], None] | None = None
    need: Callable[[], Need] = Need
    type: str = field(default="kind", init=False)

    def preflight(self, spec: ClusterSpec) -> Sequence[MlstackError]:
        """Everything that stands in the way, found without changing anything."""
        facts = self.observe(spec)
        return as_errors(preflight_checks(spec, facts, self.engine, self.host, self.need()))

    def observe(self, spec: ClusterSpec) -> ClusterFacts:
        """What is there. No error: a dead engine (a cluster it is known to hold counts as stopped), a node that is ill."""
        record = self._ownership.read(spec.instance)
        try:
            containers = self._containers(spec)
        except MlstackError as error:
            if error.code != "engine.unreachable":
                raise
            state = ClusterState.STOPPED if record else ClusterState.ABSENT
            return ClusterFacts(state, "the container engine does not answer")
        facts = judge(spec, record, containers)
        if facts.state is not ClusterState.RUNNING:
            return facts
        try:
            return replace(facts, images=frozenset(self._current_images(containers)))
        except MlstackError as error:
            if error.code not in ("node.runtime", "engine.timeout"):
                raise
            return replace(facts, detail=error.what)

    def create(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None:
        """Makes the cluster; its nodes are Ready when this returns. What a killed run left half made is deleted first.

        Raises cluster.foreign, cluster.exists, cluster.create and what the ports raise.
        """
        facts = self.observe(spec)
        if facts.state is ClusterState.RUNNING:
            return
        if facts.half_made:
            self.delete(spec, emit, step)
        elif facts.state is not ClusterState.ABSENT:
            raise in_the_way(spec, facts)
        image = self._node_image(spec, emit, step, cancelled)
        kind = self._kind(spec, emit, step, cancelled)
        stop_if(cancelled)
        record = Record(spec.instance, network_of(spec))
        self._ownership.write(spec.instance, record)
        around = surroundings(self.engine.info(), self.host.info().missing_capabilities)
        document = kind_config(spec, image, around, self.node.spec.config if self._own_image(spec) else {})
        try:
            kind.create(document, self.kubeconfig(spec), emit, step, cancelled)
        except MlstackError:
            self._keep_trouble(spec)
            raise
        self.kubeconfig(spec).chmod(0o600)
        containers = self._containers(spec)
        memory, cpus = limits(spec)
        for container in containers if memory or cpus else ():
            self.engine.limit(container.name, memory=memory, cpus=cpus)
        ids = tuple(container.id for container in containers)
        self._ownership.write(spec.instance, replace(record, finished=True, containers=ids))

    def delete(self, spec: ClusterSpec, emit: Emit, step: str) -> None:
        """Removes the nodes with their volumes, the network and the kubeconfig. Raises cluster.foreign."""
        facts = self.observe(spec)
        if facts.state is ClusterState.FOREIGN:
            raise in_the_way(spec, facts)
        containers = self._containers(spec)
        for done, container in enumerate(containers, 1):
            self.engine.remove(container.name)
            message = f"removed {container.name}"
            emit(StepProgress(step=step, message=message, done=done, total=len(containers), unit="nodes"))
        self.engine.remove_network(network_of(spec))
        for path in (self.kubeconfig(spec), self.kubeconfig(spec).with_name("kubeconfig.lock")):
            path.unlink(missing_ok=True)
        self._ownership.forget(spec.instance)

    def start(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> None:
        """Brings back a stopped cluster, its engine too: returns when the API answers and the pods are ready again.

        Raises cluster.absent, cluster.foreign, cluster.no-api, cluster.not-ready.
        """
        self._revive_engine(emit, step)
        facts = self.observe(spec)
        if facts.state not in (ClusterState.RUNNING, ClusterState.STOPPED):
            raise in_the_way(spec, facts)
        containers = self._containers(spec)
        for container in containers:
            if container.state != "running":
                emit(StepProgress(step=step, message=f"starting {container.name}"))
                self.engine.start(container.name)
        if not self.kubeconfig(spec).exists():
            self._kind(spec, emit, step, cancelled).export_kubeconfig(spec.instance, self.kubeconfig(spec))
        since = {container.name: container.started for container in self._containers(spec)}
        kube = self.connect(self.kubeconfig(spec))
        try:
            await_api(kube, step, emit, cancelled)
            await_pods(kube, since, step, emit, cancelled)
        finally:
            kube.close()

    def stop(self, spec: ClusterSpec, emit: Emit, step: str) -> None:
        """Ends the pods in order, then the nodes; takes less than 20 s. Raises cluster.foreign."""
        facts = self.observe(spec)
        if facts.state is ClusterState.FOREIGN:
            raise in_the_way(spec, facts)
        running = [container for container in self._containers(spec) if container.state == "running"]
        if not running:
            return
        emit(StepProgress(step=step, message="ending the pods", done=0, total=2, unit="steps"))
        killed = Nodes(self.engine, running).end_pods()
        message = (
            f"stopping the nodes; {len(killed)} containers did not end by themselves"
            if killed
            else "stopping the nodes"
        )
        emit(StepProgress(step=step, message=message, done=1, total=2, unit="steps"))
        for container in running:
            self.engine.stop(container.name, _STOP_SECONDS)

    def kubeconfig(self, spec: ClusterSpec) -> Path:
        """The instance's own kubeconfig; there is a file once the cluster was made."""
        return self.paths.instance(spec.instance) / "kubeconfig"

    def load_image(self, spec: ClusterSpec, record: ImageRecord, emit: Emit, step: str) -> bool:
        """Brings a stored image into the runtime of every node that lacks it. False when all had it."""
        name = reference(record.ref)
        nodes = Nodes(self.engine, self._containers(spec))
        lacking = nodes.lacking(name, record.digest)
        if not lacking:
            return False
        emit(StepProgress(step=step, message=f"into {', '.join(lacking)}", total=record.size, unit="B"))
        with self.images.export(record.ref, name) as archive:
            nodes.import_image(lacking, archive)
        return True

    def purge(self) -> None:
        """Removes the node images that no node uses from the engine; they come back from the store when they are needed."""
        for name in self.engine.images(self.node.spec.image.ref):
            self.engine.remove_image(name)

    @property
    def _ownership(self) -> Ownership:
        return Ownership(self.paths)

    def _containers(self, spec: ClusterSpec) -> Sequence[ContainerInfo]:
        """The nodes, the control plane first."""
        found = self.engine.containers({CLUSTER_LABEL: spec.instance})
        return sorted(found, key=lambda info: (info.labels.get(ROLE_LABEL) != "control-plane", info.name))

    def _current_images(self, containers: Sequence[ContainerInfo]) -> list[str]:
        """Images of the nodes that are not older than what the store holds under the same name."""
        found = Nodes(self.engine, containers).images()
        return [name for name, digest in found.items() if self._stored_digest(name) in ("", digest)]

    def _stored_digest(self, ref: str) -> str:
        try:
            stored = self.images.cached(ref)
        except MlstackError as error:
            if error.code != "image.unknown":
                raise
            return ""
        return stored.digest if stored else ""

    def _own_image(self, spec: ClusterSpec) -> bool:
        """False for a node image of the user's choice, to which the recipe's constants do not apply."""
        return spec.node_image in ("", self.node.spec.image.ref)

    def _node_image(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> str:
        """Puts the node image into the engine; what the engine knows it as. An image of the user's choice is left to kind.

        The name ends with the digest, so a changed recipe can never meet a stale image of the same name.
        """
        if not self._own_image(spec):
            return spec.node_image
        ref = self.node.spec.image.ref
        record = self.images.obtain(ref, emit, step, cancelled)
        name = f"{ref}-{record.digest.removeprefix('sha256:')[:12]}"
        if not self.engine.has_image(name):
            emit(StepProgress(step=step, message="loading the node image into the engine", total=record.size, unit="B"))
            with self.images.export(ref, name) as archive:
                self.engine.load(archive)
            for other in self.engine.images(ref):
                if other != name:
                    self.engine.remove_image(other)
        return name

    def _kind(self, spec: ClusterSpec, emit: Emit, step: str, cancelled: Cancelled) -> KindCli:
        program = self.images.tool("kind", emit, step, cancelled)
        return KindCli(self.shell, program, network_of(spec), self.paths.instance(spec.instance) / "logs" / "kind.log")

    def _revive_engine(self, emit: Emit, step: str) -> None:
        try:
            self.engine.version()
        except MlstackError as error:
            if error.code != "engine.unreachable" or self.revive is None:
                raise
            emit(StepProgress(step=step, message="starting the container engine"))
            self.revive(emit, step)

    def _keep_trouble(self, spec: ClusterSpec) -> None:
        """Appends what the nodes last said to kind's log: the next run deletes them."""
        log = self.paths.instance(spec.instance) / "logs" / "kind.log"
        containers = self._containers(spec)
        if containers:
            log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with log.open("a") as sink:
                sink.write(Nodes(self.engine, containers).trouble())
