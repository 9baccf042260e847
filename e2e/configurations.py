"""What the Envoys of the platform refused of their configuration: by the control plane's figures and by their own logs."""

from __future__ import annotations

from collections.abc import Iterator

import kubernetes

from e2e.platform import Platform

PROXY = "istio-proxy"


def refused_configurations(platform: Platform) -> list[str]:
    """A line for every refusal: empty is what is wanted. An Envoy that refuses goes on with what it had, so nothing else
    shows it."""
    core = platform.core()
    return [*_figures(core), *(line for space, name in proxies(core) for line in _log(core, space, name))]


def has_sidecars(platform: Platform) -> bool:
    """Whether the platform runs with ``mesh: sidecar``."""
    hooks = kubernetes.client.AdmissionregistrationV1Api(platform.api()).list_mutating_webhook_configuration()
    return "istio-sidecar-injector" in [one.metadata.name for one in hooks.items]


def proxies(core: kubernetes.client.CoreV1Api) -> list[tuple[str, str]]:
    """(namespace, name) of every running pod with an Envoy of the mesh: the gateway and who has a sidecar."""
    pods = core.list_pod_for_all_namespaces(field_selector="status.phase=Running").items
    return [(pod.metadata.namespace, pod.metadata.name) for pod in pods if proxy_of(pod)]


def proxy_of(pod: kubernetes.client.V1Pod) -> kubernetes.client.V1Container | None:
    """The pod's Envoy."""
    found = [one for one in [*(pod.spec.init_containers or ()), *pod.spec.containers] if one.name == PROXY]
    return found[0] if found else None


def _figures(core: kubernetes.client.CoreV1Api) -> Iterator[str]:
    pod = core.list_namespaced_pod("istio-system", label_selector="istio=pilot").items[0].metadata.name
    text = core.connect_get_namespaced_pod_proxy_with_path(f"{pod}:15014", "istio-system", "metrics")
    assert "pilot_xds_pushes" in text, "these are the control plane's figures"
    for line in text.splitlines():
        if line.startswith("pilot_total_xds_rejects") and not line.endswith(" 0"):
            yield line


def _log(core: kubernetes.client.CoreV1Api, space: str, name: str) -> Iterator[str]:
    for line in core.read_namespaced_pod_log(name, space, container=PROXY).splitlines():
        if "config for type.googleapis.com" in line and "rejected" in line:
            yield f"{space}/{name}: {line}"
