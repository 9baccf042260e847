"""Two real nodes: pods reach each other across them, policies hold there too, a stop is clean and short, a start complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import kubernetes
import pytest

from e2e.platform import SHELL_IMAGE, namespace, restricted, wait_for
from e2e.provider.conftest import Cluster
from mlstack.core.errors import MlstackError
from mlstack.core.model import ClusterState

pytestmark = pytest.mark.cluster
STOP_SECONDS, START_SECONDS = 20.0, 90.0
SERVE = "mkdir -p /tmp/www && echo page > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"


def eventually(check: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the check holds within the time: routes and rules follow their objects a moment later."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


@pytest.fixture(scope="module")
def core(cluster: Cluster) -> kubernetes.client.CoreV1Api:
    record = cluster.record(SHELL_IMAGE)
    assert cluster.provider.load_image(cluster.spec, record, cluster.events.append, "load") is True
    assert cluster.provider.load_image(cluster.spec, record, cluster.events.append, "load") is False
    assert SHELL_IMAGE in cluster.provider.observe(cluster.spec).images
    return cluster.core()


@pytest.fixture
def space(core: kubernetes.client.CoreV1Api) -> Iterator[str]:
    with namespace(core) as name:
        yield name


def run(core: kubernetes.client.CoreV1Api, space: str, name: str, command: str, node: str) -> None:
    spec = restricted(SHELL_IMAGE, ["sh", "-c", command]) | {"nodeName": node, "restartPolicy": "Always"}
    core.create_namespaced_pod(space, {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec})
    wait_for(core, space, name, {"Running"})


def serve(cluster: Cluster, core: kubernetes.client.CoreV1Api, space: str) -> str:
    """A web server on the worker behind a Service; its pod's address."""
    run(core, space, "web", SERVE, cluster.worker)
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    core.create_namespaced_service(space, {"metadata": {"name": "web"}, "spec": spec})
    return str(core.read_namespaced_pod("web", space).status.pod_ip)


def said(cluster: Cluster, space: str, pod: str, command: str) -> str:
    """What a command in a pod prints; through the node's own runtime, so that no API connection is in the way."""
    kube = cluster.provider.connect(cluster.provider.kubeconfig(cluster.spec))
    try:
        _code, out, _errors = kube.execute(space, pod, ["sh", "-c", command], timeout=30)
        return out
    finally:
        kube.close()


def page_of(cluster: Cluster, space: str, pod: str, address: str, port: int = 8080) -> str:
    """What an HTTP request from the pod gets back; empty when nothing answers."""
    return said(cluster, space, pod, f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port}; true")


def test_pods_reach_each_other_across_nodes_and_by_name(
    cluster: Cluster, core: kubernetes.client.CoreV1Api, space: str
) -> None:
    address = serve(cluster, core, space)
    run(core, space, "client", "exec sleep 3600", cluster.control)
    assert "page" in page_of(cluster, space, "client", address)
    service = core.read_namespaced_service("web", space).spec.cluster_ip
    assert eventually(lambda: "page" in page_of(cluster, space, "client", service, 80))
    answer = said(cluster, space, "client", f"nslookup web.{space}.svc.cluster.local")
    assert service in answer


def test_policies_hold_across_nodes(cluster: Cluster, core: kubernetes.client.CoreV1Api, space: str) -> None:
    address = serve(cluster, core, space)
    for name in ("friend", "stranger"):
        run(core, space, name, "exec sleep 3600", cluster.control)
        assert "page" in page_of(cluster, space, name, address)
    policies = kubernetes.client.NetworkingV1Api(core.api_client)
    deny = {"podSelector": {}, "policyTypes": ["Ingress"]}
    policies.create_namespaced_network_policy(space, {"metadata": {"name": "deny"}, "spec": deny})
    assert eventually(lambda: not page_of(cluster, space, "friend", address))
    assert not page_of(cluster, space, "stranger", address)
    source = [{"podSelector": {"matchLabels": {"app": "friend"}}}]
    allow = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": source, "ports": [{"port": 8080}]}],
    }
    policies.create_namespaced_network_policy(space, {"metadata": {"name": "allow"}, "spec": allow})
    assert eventually(lambda: "page" in page_of(cluster, space, "friend", address))
    assert not page_of(cluster, space, "stranger", address)


def ready(core: kubernetes.client.CoreV1Api, *spaces: str) -> dict[str, bool]:
    """Whether each pod is ready, in the cluster's own namespace and the ones named: others may be on their way out."""
    pods = [pod for space in ("kube-system", *spaces) for pod in core.list_namespaced_pod(space).items]
    return {
        f"{pod.metadata.namespace}/{pod.metadata.name}": any(
            one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ()
        )
        for pod in pods
    }


def test_stop_is_clean_and_start_brings_every_pod_back(
    cluster: Cluster, core: kubernetes.client.CoreV1Api, space: str
) -> None:
    serve(cluster, core, space)
    # One that does not listen to its stop signal, as the worst pod does.
    run(core, space, "deaf", "trap '' TERM; while :; do sleep 1; done", cluster.worker)
    before = ready(core, space)
    assert all(before.values())
    stopped = cluster.timed("stop")
    assert cluster.provider.observe(cluster.spec).state is ClusterState.STOPPED
    codes = {node: cluster.provider.engine.logs(node, 5) for node in (cluster.control, cluster.worker)}
    assert all("Halting system" in log for log in codes.values()), codes
    started = cluster.timed("start")
    after = ready(cluster.core(), space)
    assert after == before
    assert stopped <= STOP_SECONDS
    assert started <= START_SECONDS


def test_a_dead_node_is_noticed_and_brought_back(cluster: Cluster, core: kubernetes.client.CoreV1Api) -> None:
    cluster.provider.engine.stop(cluster.worker, 0)
    facts = cluster.provider.observe(cluster.spec)
    assert facts.state is ClusterState.STOPPED
    assert cluster.worker in facts.detail
    cluster.timed("start")
    assert cluster.provider.observe(cluster.spec).state is ClusterState.RUNNING
    assert all(ready(cluster.core()).values())


def test_another_state_directory_may_not_touch_it(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    from dataclasses import replace

    paths = replace(cluster.provider.paths, state=tmp_path_factory.mktemp("other"))
    stranger = replace(cluster.provider, paths=paths)
    assert stranger.observe(cluster.spec).state is ClusterState.FOREIGN
    with pytest.raises(MlstackError) as caught:
        stranger.delete(cluster.spec, cluster.events.append, "delete")
    assert caught.value.code == "cluster.foreign"
    assert [problem.code for problem in stranger.preflight(cluster.spec)] == ["preflight.cluster-name"]
    assert cluster.provider.observe(cluster.spec).state is ClusterState.RUNNING
