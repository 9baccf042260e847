"""Ingress objects, Services and key pairs as the API server has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

CLASS = "mlstack.ingress.networking.knative.dev"


def split(service: str = "hello-00001", percent: int = 100, port: int | str = 80, **headers: str) -> dict[str, Any]:
    made = {"serviceNamespace": "team", "serviceName": service, "servicePort": port, "percent": percent}
    return {**made, "appendHeaders": headers} if headers else made


def path(*splits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"splits": list(splits) or [split()], **more}


def rule(*hosts: str, paths: list[dict[str, Any]] | None = None, local: bool = False) -> dict[str, Any]:
    visibility = "ClusterLocal" if local else "ExternalIP"
    return {"hosts": list(hosts), "visibility": visibility, "http": {"paths": paths or [path()]}}


def ingress(
    *rules: dict[str, Any],
    name: str = "hello",
    generation: int = 1,
    age: int = 0,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """age: the younger the higher."""
    born = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=age)
    meta = {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": born.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "annotations": {"networking.knative.dev/ingress.class": CLASS},
    }
    made: dict[str, Any] = {
        "metadata": meta,
        "spec": {"rules": list(rules) or [rule(f"{name}.team.example.org")], **spec},
    }
    return {**made, "status": dict(status)} if status else made


def service(name: str = "hello-00001", ip: str = "10.0.0.1", *ports: tuple[str, int], **spec: Any) -> dict[str, Any]:
    listed = [{"name": port, "port": number, "targetPort": 8012} for port, number in ports or [("http", 80)]]
    labels = {"networking.internal.knative.dev/serviceType": "Public"}
    meta = {"name": name, "namespace": "team", "labels": labels, "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"type": "ClusterIP", "clusterIP": ip, "ports": listed, **spec}}


def services(*objects: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in objects}


def ready_status(generation: int = 1) -> dict[str, Any]:
    then = "2026-11-01T00:00:05Z"
    kinds = ("LoadBalancerReady", "NetworkConfigured", "Ready")
    balancers = {
        "publicLoadBalancer": {"ingress": [{"domainInternal": "public.svc"}]},
        "privateLoadBalancer": {"ingress": [{"domainInternal": "private.svc"}]},
    }
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": then} for kind in kinds]
    return {"observedGeneration": generation, "conditions": conditions, **balancers}
