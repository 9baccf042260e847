"""The cluster itself: names resolve, volumes bind and keep, network policies are enforced, only the loopback listens."""

from __future__ import annotations

import re
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes
import pytest

from e2e.platform import SHELL_IMAGE, Platform, namespace, restricted, run_pod, wait_for


@pytest.fixture(scope="session")
def image() -> str:
    """A small image with a shell that is on the node."""
    return SHELL_IMAGE


def test_service_names_resolve_in_pods(core: kubernetes.client.CoreV1Api, image: str) -> None:
    with namespace(core) as space:
        spec = restricted(
            image,
            [
                "sh",
                "-c",
                "nslookup kubernetes.default.svc.cluster.local; nslookup no-such.default.svc.cluster.local && echo BAD",
            ],
        )
        pod = run_pod(core, space, spec)
        wait_for(core, space, pod, {"Succeeded", "Failed"})
        log = core.read_namespaced_pod_log(pod, space)
        address = core.read_namespaced_service("kubernetes", "default").spec.cluster_ip
        assert address in log
        assert "BAD" not in log


def test_volume_keeps_what_a_pod_wrote(core: kubernetes.client.CoreV1Api, image: str) -> None:
    with namespace(core) as space:
        claim = {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
        }
        core.create_namespaced_persistent_volume_claim(space, claim)
        for command, phase in (
            ("echo kept > /data/f", "Succeeded"),
            ("grep -x kept /data/f", "Succeeded"),
            ("grep -x other /data/f", "Failed"),
        ):
            spec = restricted(image, ["sh", "-c", command], volumeMounts=[{"name": "data", "mountPath": "/data"}])
            spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
            pod = run_pod(core, space, spec)
            assert wait_for(core, space, pod, {"Succeeded", "Failed"}) == phase
            core.delete_namespaced_pod(pod, space, grace_period_seconds=0)


def test_network_policy_denies_and_allows(platform: Platform, core: kubernetes.client.CoreV1Api, image: str) -> None:
    server = ["sh", "-c", "mkdir -p /tmp/www && echo page > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"]
    policies = kubernetes.client.NetworkingV1Api(platform.api())
    # `timeout`, not wget's own -T: with that this static busybox ends with a segmentation fault
    with namespace(core) as space, namespace(core) as other:
        pod = run_pod(core, space, restricted(image, server), {"app": "server"})
        wait_for(core, space, pod, {"Running"})
        address = core.read_namespaced_pod(pod, space).status.pod_ip
        fetch = [
            "sh",
            "-c",
            f"for i in 1 2 3 4 5 6; do timeout 3 wget -q -O - http://{address}:8080/ && exit 0; sleep 1; done; exit 1",
        ]
        refused = [
            "sh",
            "-c",
            f"for i in 1 2 3 4 5 6; do timeout 2 wget -q -O - http://{address}:8080/ || exit 0; sleep 1; done; exit 1",
        ]

        def reach(where: str, command: list[str], label: str) -> str:
            name = run_pod(core, where, restricted(image, command), {"role": label})
            return wait_for(core, where, name, {"Succeeded", "Failed"})

        assert reach(space, fetch, "client") == "Succeeded", "before any policy everybody reaches the server"
        assert reach(other, fetch, "client") == "Succeeded"
        deny = {"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
        policies.create_namespaced_network_policy(space, deny)
        assert reach(space, refused, "client") == "Succeeded", "default deny must deny"
        allow = {
            "metadata": {"name": "allow"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "server"}},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}],
            },
        }
        policies.create_namespaced_network_policy(space, allow)
        assert reach(space, fetch, "client") == "Succeeded", "the allowed pod gets through"
        assert reach(space, refused, "stranger") == "Succeeded", "a pod without the label does not"
        assert reach(other, refused, "client") == "Succeeded", "nor one of another namespace"


def test_only_the_loopback_listens(platform: Platform) -> None:
    urls = [urlsplit(item["url"]) for item in platform.status()["endpoints"] if item["url"]]
    assert urls
    for host, port in {(url.hostname or "", url.port or 0) for url in urls}:
        assert host == "127.0.0.1" or host.endswith(f"{platform.name}.localhost")
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        assert _listeners(port) == {"127.0.0.1"}
    server = re.search(r"server: https://(\S+):(\d+)", platform.kubeconfig.read_text())
    assert server is not None
    assert _listeners(int(server.group(2))) == {"127.0.0.1"}


def _listeners(port: int) -> set[str]:
    """Local IPv4 and IPv6 addresses that listen on ``port``, from the kernel's own table."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add("127.0.0.1" if address == "0100007F" else address)
    return found


def test_files_of_the_instance_are_private(platform: Platform) -> None:
    folder = platform.kubeconfig.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # the volumes' files belong to the programs that write them; the directory above keeps others out
    own = [path for path in folder.rglob("*") if path.is_file() and "volumes" not in path.relative_to(folder).parts]
    loose = [str(path) for path in own if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert own
    assert loose == []


def test_every_container_has_requests_and_a_memory_limit(core: kubernetes.client.CoreV1Api) -> None:
    bare = []
    for pod in core.list_pod_for_all_namespaces(label_selector="mlstack.dev/stack").items:
        for container in pod.spec.containers:
            resources = container.resources
            if not (
                resources.requests
                and {"cpu", "memory"} <= set(resources.requests)
                and (resources.limits or {}).get("memory")
            ):
                bare.append(f"{pod.metadata.namespace}/{pod.metadata.name}/{container.name}")
    assert bare == []
