"""The document handed to kind."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlstack.core.model import ClusterSpec, Mount, PortMapping
from mlstack.core.releasefile import Node
from mlstack.providers.kindconfig import Surroundings, kind_config, reference
from mlstack.providers.kindstate import surroundings

GIB = 1 << 30


def patches(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for text in document.get("kubeadmConfigPatches", ()):
        patch = yaml.safe_load(text)
        merged.setdefault(patch.pop("kind"), {}).update(patch)
    return merged


def test_plain_cluster_has_one_node_and_listens_on_loopback_only() -> None:
    spec = ClusterSpec("lab", "1.36.3", ports=(PortMapping("s3", 30900, 9000),))
    document = kind_config(spec, "node:1", Surroundings())
    assert document["name"] == "lab"
    assert document["networking"]["apiServerAddress"] == "127.0.0.1"
    (node,) = document["nodes"]
    assert node["role"] == "control-plane"
    assert node["image"] == "node:1"
    assert node["extraPortMappings"] == [{"containerPort": 30900, "hostPort": 9000, "listenAddress": "127.0.0.1"}]
    assert "containerdConfigPatches" not in document
    assert "kubeadmConfigPatches" not in document


def test_several_nodes_share_mounts_and_only_the_first_publishes_ports() -> None:
    spec = ClusterSpec(
        "lab", "1.36.3", nodes=3, ports=(PortMapping("s3", 30900, 9000),), mounts=(Mount("/data", "/mnt/data", True),)
    )
    nodes = kind_config(spec, "node:1", Surroundings())["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    assert [("extraPortMappings" in node) for node in nodes] == [True, False, False]
    mount = {"hostPath": "/data", "containerPath": "/mnt/data", "readOnly": True}
    assert all(node["extraMounts"] == [mount] for node in nodes)


@pytest.mark.parametrize(
    ("around", "kubelet", "restricted"),
    [
        (Surroundings(cgroup=2), None, False),
        (Surroundings(cgroup=1), {"failCgroupV1": False, "cgroupDriver": "cgroupfs"}, False),
        (Surroundings(cgroup=2, lowers_oom=False), None, True),
        (Surroundings(cgroup=1, lowers_oom=False), {"failCgroupV1": False, "cgroupDriver": "cgroupfs"}, True),
    ],
)
def test_host_limitations_become_settings(
    around: Surroundings, kubelet: dict[str, Any] | None, restricted: bool
) -> None:
    document = kind_config(ClusterSpec("lab", "1.36.3"), "node:1", around)
    assert patches(document).get("KubeletConfiguration") == kubelet
    containerd = "".join(document.get("containerdConfigPatches", ()))
    assert containerd.count("SystemdCgroup = false") == (2 if around.cgroup == 1 else 0)
    assert ("restrict_oom_score_adj = true" in "".join(document.get("containerdConfigPatches", ()))) is restricted


def test_limits_are_reserved_so_that_the_kubelet_offers_no_more_than_them() -> None:
    spec = ClusterSpec("lab", "1.36.3", memory="6Gi", cpus="1500m")
    document = kind_config(spec, "node:1", Surroundings(cores=4, memory=16 * GIB))
    assert patches(document)["KubeletConfiguration"]["systemReserved"] == {"memory": str(10 * GIB), "cpu": "2500m"}


def test_limits_above_the_host_reserve_nothing() -> None:
    spec = ClusterSpec("lab", "1.36.3", memory="64Gi", cpus="8")
    assert "kubeadmConfigPatches" not in kind_config(spec, "n", Surroundings(cores=4, memory=16 * GIB))


def test_the_recipes_constants_name_the_images_that_it_preloads(node: Node) -> None:
    document = kind_config(ClusterSpec("lab", "1.36.3"), "n", Surroundings(cgroup=1), node.spec.config)
    cluster = patches(document)["ClusterConfiguration"]
    preloaded = {image.ref for image in node.spec.preload}
    assert f"registry.k8s.io/coredns/coredns:{cluster['dns']['imageTag']}" in preloaded
    assert f"registry.k8s.io/etcd:{cluster['etcd']['local']['imageTag']}" in preloaded
    assert patches(document)["KubeletConfiguration"] == {
        "maxPods": 200,
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
    }
    assert patches(document)["KubeProxyConfiguration"] == {"nftables": {"minSyncPeriod": "50ms"}}
    assert document["networking"]["podSubnet"] == "10.244.0.0/16"


def test_engine_facts_decide_about_control_groups_and_the_host_about_capabilities() -> None:
    info = {"CgroupVersion": "1", "NCPU": 2, "MemTotal": 4 * GIB}
    assert surroundings(info, ("CAP_SYS_RESOURCE",)) == Surroundings(1, False, 2, 4 * GIB)
    assert surroundings({}, ("CAP_SYSLOG",)) == Surroundings(2, True, 0, 0)


@pytest.mark.parametrize(
    ("kernel", "mode"),
    [("6.1.0-18-amd64", "nftables"), ("5.13.0", "nftables"), ("5.10.0-28-amd64", "iptables"), ("", "iptables")],
)
def test_kube_proxy_gets_a_table_of_its_own_where_the_kernel_can(node: Node, kernel: str, mode: str) -> None:
    around = surroundings({"KernelVersion": kernel}, ())
    constants = node.spec.config
    spec = ClusterSpec("lab", "1.36.3")
    assert kind_config(spec, "n", around, constants)["networking"]["kubeProxyMode"] == mode
    assert "kubeProxyMode" not in kind_config(spec, "n", around)["networking"]


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("rancher/thing:2", "docker.io/rancher/thing:2"),
        ("quay.io/org/thing:2", "quay.io/org/thing:2"),
        ("localhost/x:1", "localhost/x:1"),
        ("reg:5000/x:1", "reg:5000/x:1"),
    ],
)
def test_references_are_spelled_in_full(short: str, full: str) -> None:
    assert reference(short) == full
