"""The configuration document for kind, from the wanted cluster and what the host needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from mlstack.core.budget import quantity
from mlstack.core.model import ClusterSpec

_CRI = 'plugins."io.containerd.grpc.v1.cri"'
_RESTRICT_OOM = f"[{_CRI}]\n  restrict_oom_score_adj = true\n"
# With its systemd driver on cgroup v1 runc freezes a container while it sets the device rules, and gives up when the
# tasks are not frozen soon enough: on a loaded host containers do not start ("unable to freeze"). Its other driver
# writes the same rules without freezing.
_CGROUPFS = "".join(
    f"[{_CRI}.containerd.runtimes.{handler}.options]\n  SystemdCgroup = false\n" for handler in ("runc", "test-handler")
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the nodes' host forces on their configuration.

    cgroup: hierarchy version of the engine's host; lowers_oom: containers may ask for a lower out-of-memory score
    (false without CAP_SYS_RESOURCE); cores, memory (bytes): what the engine has; nftables: its kernel is new enough for
    kube-proxy's nftables mode.
    """

    cgroup: int = 2
    lowers_oom: bool = True
    cores: int = 0
    memory: int = 0
    nftables: bool = False


def kind_config(
    spec: ClusterSpec, image: str, around: Surroundings, constants: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The kind ``Cluster`` document. image: what the engine knows the node image as; constants: the node recipe's own
    ``config`` (networking, kubeadm), left out when the image is not built from that recipe."""
    recipe = constants or {}
    kubelet = _kubelet(spec, around)
    kubeadm = [*recipe.get("kubeadm", ()), *([kubelet] if kubelet else ())]
    document: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": spec.instance,
        "networking": _networking(recipe.get("networking", {}), around),
        "nodes": [_node(spec, image, index) for index in range(spec.nodes)],
    }
    if kubeadm:
        document["kubeadmConfigPatches"] = [yaml.safe_dump(dict(patch), sort_keys=True) for patch in kubeadm]
    containerd = [_CGROUPFS] if around.cgroup == 1 else []
    containerd += [] if around.lowers_oom else [_RESTRICT_OOM]
    if containerd:
        document["containerdConfigPatches"] = containerd
    return document


def _networking(recipe: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    networking = {**recipe, "apiServerAddress": "127.0.0.1"}
    # kube-router rewrites the iptables filter table as a whole and, when both begin, takes chains away from under
    # kube-proxy, which then waits half a minute. In this mode kube-proxy has a table of its own.
    if around.nftables and "kubeProxyMode" in recipe:
        networking["kubeProxyMode"] = "nftables"
    return networking


def _node(spec: ClusterSpec, image: str, index: int) -> dict[str, Any]:
    node: dict[str, Any] = {"role": "worker" if index else "control-plane", "image": image}
    if spec.mounts:
        node["extraMounts"] = [
            {"hostPath": mount.host, "containerPath": mount.node, "readOnly": mount.read_only} for mount in spec.mounts
        ]
    # A NodePort answers on every node, so one of them is enough to publish it.
    if spec.ports and index == 0:
        node["extraPortMappings"] = [
            {"containerPort": port.node_port, "hostPort": port.host_port, "listenAddress": port.address}
            for port in spec.ports
        ]
    return node


def _kubelet(spec: ClusterSpec, around: Surroundings) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    if around.cgroup == 1:
        patch |= {"failCgroupV1": False, "cgroupDriver": "cgroupfs"}
    reserved = _reserved(spec, around)
    if reserved:
        patch["systemReserved"] = reserved
    return {"kind": "KubeletConfiguration", **patch} if patch else {}


def _reserved(spec: ClusterSpec, around: Surroundings) -> dict[str, str]:
    """What the kubelet must leave out of its sums: it counts the whole host, whatever its container's limit is."""
    reserved = {}
    memory, cpus = limits(spec)
    if memory and around.memory > memory:
        reserved["memory"] = str(around.memory - memory)
    if cpus and around.cores > cpus:
        reserved["cpu"] = f"{int((around.cores - Decimal(str(cpus))) * 1000)}m"
    return reserved


def limits(spec: ClusterSpec) -> tuple[int, float]:
    """The wanted limits of one node: bytes and cores, zero for none."""
    return int(quantity(spec.memory)) if spec.memory else 0, float(quantity(spec.cpus)) if spec.cpus else 0.0


def reference(ref: str) -> str:
    """An image reference as container runtimes spell it in full (``docker.io/library/busybox:1``)."""
    first, slash, _ = ref.partition("/")
    if not slash:
        return f"docker.io/library/{ref}"
    return ref if "." in first or ":" in first or first == "localhost" else f"docker.io/{ref}"
