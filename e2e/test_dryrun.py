"""Stacks whose images only a registry has: the platform's API server takes each of their objects, and makes none of them."""

from __future__ import annotations

import kubernetes
import pytest

from e2e.dryrun import broken, places, published, refused, rendering
from e2e.platform import Platform
from mlstack.adapters.kube import KubeClient


@pytest.mark.parametrize(("name", "version"), published())
def test_the_server_takes_every_object_and_refuses_broken_ones(
    platform: Platform, core: kubernetes.client.CoreV1Api, name: str, version: str
) -> None:
    objects = rendering(name, version)
    if any(".istio.io/" in obj["apiVersion"] for obj in objects) and not platform.provides("gateway"):
        pytest.skip("this platform has no gateway, and its server knows none of the gateway's kinds")
    kube = KubeClient(platform.kubeconfig)
    try:
        with places(core, objects) as where:
            assert refused(kube, objects, where) == []
            wrong = broken(objects)
            assert wrong and len(refused(kube, wrong, where)) == len(wrong)
            for lent in set(where.values()) - set(where):
                assert core.list_namespaced_service(lent).items == [], "a dry run makes nothing"
    finally:
        kube.close()
