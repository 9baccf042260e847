"""What the containers found mean: whether there is a cluster, whose it is and in which state. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState
from mlstack.core.ports import ContainerInfo
from mlstack.core.versions import numbers
from mlstack.providers.kindconfig import Surroundings
from mlstack.providers.ownership import Damaged, Record

_RESOURCE = "CAP_SYS_RESOURCE"
NFTABLES_KERNEL = (5, 13)
"""The oldest kernel that kube-proxy's nftables mode accepts."""


def network_of(spec: ClusterSpec) -> str:
    """The engine network of an instance's nodes: its own, so that it can be removed with them."""
    return f"mlstack-{spec.instance}"


def judge(spec: ClusterSpec, record: Record | Damaged | None, containers: Sequence[ContainerInfo]) -> ClusterFacts:
    """The state of a cluster from our record of it and its containers."""
    if not containers:
        return ClusterFacts(ClusterState.ABSENT)
    names = tuple(container.name for container in containers)
    strange = _strange(spec, record, containers)
    if strange:
        return ClusterFacts(ClusterState.FOREIGN, strange, names)
    if isinstance(record, Record) and not record.finished:
        why = "an earlier run was ended while it made the cluster"
        return ClusterFacts(ClusterState.BROKEN, why, names, half_made=True)
    lost = len(record.containers) - len(containers) if isinstance(record, Record) else 0
    if lost > 0:
        return ClusterFacts(ClusterState.BROKEN, f"{lost} of its nodes are gone", names)
    down = [f"{container.name} is {container.state}" for container in containers if container.state != "running"]
    if not down:
        return ClusterFacts(ClusterState.RUNNING, nodes=names)
    dead = any(container.state == "dead" for container in containers)
    return ClusterFacts(ClusterState.BROKEN if dead else ClusterState.STOPPED, "; ".join(down), names)


def _strange(spec: ClusterSpec, record: Record | Damaged | None, containers: Sequence[ContainerInfo]) -> str:
    """Why the cluster is not ours; empty when it is.

    Ours are the very containers of a finished record. While it is being made only the network tells: it bears our name
    and is made for this instance alone. A damaged record is made good by the same sign.
    """
    name = f"kind cluster {spec.instance}"
    in_our_network = all(network_of(spec) in container.networks for container in containers)
    if record is None:
        lost = "another mlstack made it, or one whose state directory is gone"
        return f"{name}: {lost if in_our_network else 'another tool made it'}"
    if isinstance(record, Damaged):
        return (
            ""
            if in_our_network
            else f"{name}: {record.path} is damaged ({record.why}), so it cannot be told whose it is"
        )
    if record.finished:
        ours = {container.id for container in containers} <= set(record.containers)
        return "" if ours else f"{name}: it is not the one that mlstack made; that one is gone"
    return "" if in_our_network else f"{name}: another tool made it"


def in_the_way(spec: ClusterSpec, facts: ClusterFacts) -> MlstackError:
    """The error for a cluster whose state does not allow what was asked."""
    if facts.state is ClusterState.FOREIGN:
        what, why = f"A cluster named {spec.instance} exists and mlstack did not make it", facts.detail
        remedy = f"choose another name with --name, or delete it: kind delete cluster --name {spec.instance}"
    elif facts.state is ClusterState.ABSENT:
        what, why, remedy = f"there is no cluster {spec.instance}", "", "run `mlstack up`"
    else:
        what, why = f"the cluster {spec.instance} is {facts.state.value}", facts.detail
        remedy = "run `mlstack start`, or `mlstack down` to delete it with its data"
    codes = {ClusterState.FOREIGN: "cluster.foreign", ClusterState.ABSENT: "cluster.absent"}
    code = codes.get(facts.state, "cluster.exists")
    return MlstackError(code, what, why=why, remedy=remedy, exit_code=ExitCode.PREFLIGHT)


def surroundings(info: Mapping[str, Any], missing: Sequence[str]) -> Surroundings:
    """What the engine's ``info`` and the host's missing capabilities mean for the nodes."""
    return Surroundings(
        cgroup=1 if str(info.get("CgroupVersion", "2")) == "1" else 2,
        lowers_oom=_RESOURCE not in missing,
        cores=int(info.get("NCPU", 0)),
        memory=int(info.get("MemTotal", 0)),
        nftables=_kernel(info) >= NFTABLES_KERNEL,
    )


def _kernel(info: Mapping[str, Any]) -> tuple[int, ...]:
    try:
        return numbers(str(info.get("KernelVersion", "")))
    except ValueError:
        return (0,)
