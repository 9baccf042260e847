"""Status, differences and logs: reads the cluster, changes nothing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.app.certs import findings
from mlstack.app.target import endpoints
from mlstack.core.desired import LiveObject, RenderedStack
from mlstack.core.diff import field_changes
from mlstack.core.errors import MlstackError
from mlstack.core.events import LogLine
from mlstack.core.model import LABEL_INSTANCE, LABEL_STACK, ClusterState, Object, ResourceId
from mlstack.core.pending import pending_reasons
from mlstack.core.ports import Kube
from mlstack.core.publish import url_of
from mlstack.core.readiness import has_rule
from mlstack.core.resolve import unknown
from mlstack.core.results import Change, EndpointInfo, ObjectDiff, ObjectState, StackStatus, Status
from mlstack.core.routes import GATEWAY, route_url
from mlstack.core.sample import samples_of
from mlstack.core.stackfile import Endpoint
from mlstack.engine.inventory import read_inventories
from mlstack.engine.observe import observe_objects

if TYPE_CHECKING:
    from mlstack.app.session import Session


def status(session: Session) -> Status:
    """How the instance is; a cluster that does not run is no error."""
    cluster = session.seen.cluster if session.seen else observing.observe_cluster(session)
    unfinished = observing.journal(session).unfinished()
    command = str(unfinished["command"]) if unfinished else ""
    if cluster.state is not ClusterState.RUNNING:
        return Status(instance=session.name, provider=session.provider.type, cluster=cluster.state, unfinished=command)
    kube = session.connect()
    try:
        if session.seen:
            inventories, live = session.seen.inventory, session.seen.live
        else:
            inventories = read_inventories(kube, session.name)
            live = observe_objects(kube, session.name, session.stacks, inventories)
        refused = findings(session, kube)
        statuses = [
            # what is installed counts, not what this call would install
            replace(
                stack_status(kube, stack, live, refused.get(stack.name, ())), version=inventories[stack.name].version
            )
            for stack in session.stacks
            if stack.name in inventories
        ]
        return Status(
            instance=session.name,
            provider=session.provider.type,
            cluster=cluster.state,
            kubernetes=kube.server_version(),
            nodes=cluster.nodes,
            kubeconfig=str(session.provider.kubeconfig(session.spec)),
            stacks=tuple(statuses),
            missing=tuple(stack.name for stack in session.stacks if stack.name not in inventories),
            endpoints=endpoint_infos(session),
            samples=tuple(samples_of(session.selection)),
            unfinished=command,
        )
    finally:
        kube.close()


def stack_status(
    kube: Kube, stack: RenderedStack, live: Mapping[ResourceId, LiveObject], more: Sequence[ObjectState] = ()
) -> StackStatus:
    """How one stack is; reasons are read only for what is not ready. more: findings that readiness does not show."""
    watched = [ResourceId.of(obj) for obj in stack.objects if has_rule(obj["kind"])]
    broken = [rid for rid in watched if rid not in live or not live[rid].ready]
    pending: list[ObjectState] = []
    for rid in broken:
        pending += _why(kube, stack.name, rid)
    return StackStatus(
        name=stack.name,
        version=stack.version,
        ready=len(watched) - len(broken),
        total=len(watched),
        pending=(*pending, *more),
    )


def _why(kube: Kube, stack: str, rid: ResourceId) -> list[ObjectState]:
    obj = kube.get(rid)
    if obj is None:
        return [ObjectState(resource=str(rid), reason="it is not there")]
    pods = pods_of(kube, stack, rid.namespace) if rid.namespace else []
    return [ObjectState(resource=one.resource, reason=one.reason) for one in pending_reasons(obj, pods, [])]


def pods_of(kube: Kube, stack: str, namespace: str = "") -> list[Object]:
    """The pods of a stack."""
    resource = kube.resource("v1", "Pod")
    return list(kube.list(resource, f"{LABEL_STACK}={stack}", namespace)) if resource else []


def _routed(session: Session, point: Endpoint) -> str:
    """Where a user reaches an endpoint through the gateway; empty where it has no place behind one."""
    if not any(GATEWAY in chosen.entry.document.spec.provides for chosen in session.selection.stacks):
        return ""
    external = session.render_facts.external
    if point.name == GATEWAY:
        return f"{external.url}/"
    return route_url(point.route, external) if point.route else ""


def endpoint_infos(session: Session) -> tuple[EndpointInfo, ...]:
    """The endpoints of the chosen stacks with their addresses on this host."""
    shown = {point.name for stack in session.stacks for point in stack.endpoints}
    owners = {
        point.name: chosen.entry.name
        for chosen in session.selection.stacks
        for point in chosen.entry.document.spec.endpoints
    }
    return tuple(
        EndpointInfo(
            name=point.name,
            stack=owners[point.name],
            url=url_of(point, session.ports) or routed,
            routed=routed,
            scheme=point.scheme,
            doc=point.doc,
            credential=point.credential,
        )
        for point, enabled in endpoints(session)
        if enabled and point.name in shown
        for routed in [_routed(session, point)]
    )


def diff(session: Session) -> list[ObjectDiff]:
    """Every object that ``up`` would make, change or take away. Secrets' values are masked."""
    found: list[ObjectDiff] = []
    with observing.reader(session) as kube:
        inventories = read_inventories(kube, session.name)
        wanted: set[ResourceId] = set()
        for stack in session.stacks:
            for obj in stack.objects:
                rid = ResourceId.of(obj)
                wanted.add(rid)
                live = kube.get(rid)
                # what the server would make of it, so that its defaults are no differences
                changes = field_changes(live, kube.apply(obj, dry_run=True) if live else obj)
                if live is None or changes:
                    kind = Change.CREATE if live is None else Change.UPDATE
                    text = "\n".join(
                        f"{one.path}: {one.before or '(absent)'} -> {one.after or '(absent)'}" for one in changes
                    )
                    found.append(ObjectDiff(resource=str(rid), stack=stack.name, change=kind, text=text))
        for name, inventory in inventories.items():
            gone = [entry.rid for entry in inventory.entries if entry.rid not in wanted]
            found += [ObjectDiff(resource=str(rid), stack=name, change=Change.DELETE) for rid in gone]
    return found


def logs(session: Session, stack: str, follow: bool, tail: int) -> Iterator[LogLine]:
    """The last lines of every container of a stack, and with ``follow`` those to come. Raises ``config.unknown-stack``."""
    names = [chosen.entry.name for chosen in session.selection.stacks]
    if stack not in names:
        raise unknown("stack", stack, names)
    with observing.reader(session) as kube:
        containers = [
            (pod["metadata"]["namespace"], pod["metadata"]["name"], container["name"])
            for pod in pods_of(kube, stack)
            if pod["metadata"].get("labels", {}).get(LABEL_INSTANCE) == session.name
            for container in pod["spec"]["containers"]
        ]
        if follow:
            yield from _followed(session, kube, containers, tail)
            return
        for namespace, pod, container in containers:
            for line in kube.logs(namespace, pod, container, tail=tail):
                yield LogLine(source=f"{pod}/{container}", text=line)


def _followed(session: Session, kube: Kube, containers: list[tuple[str, str, str]], tail: int) -> Iterator[LogLine]:
    """Lines of several containers as they come, until every log ends or the user stops."""
    lines: queue.Queue[LogLine | None] = queue.Queue(maxsize=1000)

    def read(namespace: str, pod: str, container: str) -> None:
        source = f"{pod}/{container}"
        try:
            for line in kube.logs(namespace, pod, container, tail=tail, follow=True):
                lines.put(LogLine(source=source, text=line))
        except MlstackError as error:
            lines.put(LogLine(source=source, text=f"(log ended: {error.what})"))
        lines.put(None)

    for one in containers:
        threading.Thread(target=read, args=one, daemon=True, name=f"log-{one[1]}").start()
    open_logs = len(containers)
    while open_logs and not session.cancelled():
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            continue
        if line is None:
            open_logs -= 1
        else:
            yield line
