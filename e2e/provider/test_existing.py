"""A cluster that another tool made and keeps, through the command line: pytest-kind makes it, `mlstack` only installs in it."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pykube
import pytest
import yaml
from pytest_kind.cluster import KindCluster

from e2e.platform import SHELL_IMAGE, Platform, finished, restricted
from mlstack.core.model import ClusterSpec
from mlstack.providers.kind import KindProvider
from mlstack.providers.kindconfig import kind_config
from mlstack.providers.kindstate import network_of, surroundings

pytestmark = pytest.mark.cluster
PROVISIONER = "docker.io/rancher/local-path-provisioner:v0.0.37"
NODES_PULL = ("minio", "mysql", "argo-workflows", "metrics-server")
"""Stacks whose images the nodes would have to pull; this test brings the storage stack's two into them by hand."""


@pytest.fixture(scope="module")
def kind_cluster(kind_provider: KindProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindCluster]:
    """pytest-kind's fixture, given our kind program and node image and what this host forces on its nodes."""
    directory, engine, node = tmp_path_factory.mktemp("site"), kind_provider.engine, kind_provider.node
    spec = ClusterSpec(f"site-{uuid.uuid4().hex[:6]}", node.spec.kubernetes)
    image = engine.images(node.spec.image.ref)[0]
    around = surroundings(engine.info(), kind_provider.host.info().missing_capabilities)
    config = directory / "kind.yaml"
    config.write_text(yaml.safe_dump(kind_config(spec, image, around, node.spec.config)))
    program = kind_provider.images.tool("kind", lambda _event: None, "tool", lambda: False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)  # pytest-kind keeps a directory of its own where it runs
        # kind's own network would stay behind
        patch.setenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", network_of(spec))
        cluster = KindCluster(spec.instance, directory / "kubeconfig", image=image, kind_path=program)
        try:
            cluster.create(config)
            _await_nodes(cluster)
            _load(kind_provider, cluster)
            yield cluster
        finally:
            cluster.delete()
            engine.remove_network(network_of(spec))


def _await_nodes(cluster: KindCluster) -> None:
    """pytest-kind returns as soon as the API answers."""
    for event in pykube.Node.objects(cluster.api).watch():
        if _ready(event.object):
            return


def _load(provider: KindProvider, cluster: KindCluster) -> None:
    for ref in (PROVISIONER, SHELL_IMAGE):
        provider.images.obtain(ref, lambda _event: None, "image", lambda: False)
        with provider.images.export(ref, ref) as archive:
            argv = [str(cluster.kind_path), "load", "image-archive", str(archive), "--name", cluster.name]
            subprocess.run(argv, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def site(kind_cluster: KindCluster, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A site's configuration for that cluster."""
    off = {name: {"enabled": False} for name in NODES_PULL}
    storage = {"storage": {"params": {"provisioner": "local-path"}}}
    existing = {"kubeconfig": str(kind_cluster.kubeconfig_path)}
    document = {
        "apiVersion": "mlstack/v1alpha1",
        "kind": "Config",
        "provider": {"type": "existing", "existing": existing},
        "stacks": {**off, **storage},
    }
    file: Path = tmp_path_factory.mktemp("config") / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    return Platform("site", extra=("-f", str(file)))


def test_a_kubeconfig_that_points_nowhere_is_refused(site: Platform, tmp_path: Path) -> None:
    broken = Platform("nowhere", extra=(*site.extra, "--set", f"provider.existing.kubeconfig={tmp_path / 'absent'}"))
    run = broken.cli("up", "--yes", check=False)
    assert run.code == 3
    assert "there is no kubeconfig" in run.err


def test_up_installs_into_it_and_down_leaves_the_cluster(site: Platform, kind_cluster: KindCluster) -> None:
    assert finished(site.up())["outcome"] == "ok"
    assert finished(site.up())["changed"] == 0
    _volume_works(kind_cluster)
    site.cli("down", "--purge", "--yes")
    spaces = {one.name for one in pykube.Namespace.objects(kind_cluster.api)}
    assert not spaces & {"local-path-storage", "mlstack-system"}
    assert all(_ready(node) for node in pykube.Node.objects(kind_cluster.api))


def _volume_works(cluster: KindCluster) -> None:
    """A claim is bound and a pod writes to it."""
    metadata = {"name": "probe", "namespace": "default"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Mi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    pykube.PersistentVolumeClaim(cluster.api, claim).create()
    pod_spec = restricted(SHELL_IMAGE, ["sh", "-c", "echo kept > /data/probe"])
    pod_spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    pod_spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "probe"}}]
    pod = pykube.Pod(cluster.api, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec})
    pod.create()
    for event in (
        pykube.Pod.objects(cluster.api, namespace="default").filter(field_selector={"metadata.name": "probe"}).watch()
    ):
        if event.object.obj["status"].get("phase") in ("Succeeded", "Failed"):
            break
    pod.reload()
    assert pod.obj["status"]["phase"] == "Succeeded", pod.obj["status"]
    pod.delete()
    pykube.PersistentVolumeClaim(cluster.api, claim).delete()


def _ready(node: pykube.Node) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node.obj["status"]["conditions"])
