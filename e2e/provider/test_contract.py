"""Both providers keep the contract on one real cluster: kind made it, existing is handed its kubeconfig."""

from __future__ import annotations

import kubernetes
import pytest
from suite import ProviderContract

from e2e.provider.conftest import Cluster
from mlstack.adapters.kube import KubeClient
from mlstack.core.model import ClusterSpec, ImageRecord
from mlstack.core.ports import ClusterProvider
from mlstack.providers.existing import DEFAULT_CLASS, ExistingProvider

pytestmark = pytest.mark.cluster
EVERYWHERE = "docker.io/cloudnativelabs/kube-router:v2.6.3-k3s1"


class Real(ProviderContract):
    @pytest.fixture
    def spec(self, cluster: Cluster) -> ClusterSpec:
        return cluster.spec

    @pytest.fixture
    def stored(self, cluster: Cluster) -> ImageRecord:
        return cluster.record(EVERYWHERE)


class TestKind(Real):
    makes_cluster = True

    @pytest.fixture
    def provider(self, cluster: Cluster) -> ClusterProvider:
        return cluster.provider


class TestExisting(Real):
    makes_cluster = False

    @pytest.fixture
    def provider(self, cluster: Cluster) -> ClusterProvider:
        storage = kubernetes.client.StorageV1Api(cluster.core().api_client)
        metadata = {"name": "contract", "annotations": {DEFAULT_CLASS: "true"}}
        if "contract" not in [one.metadata.name for one in storage.list_storage_class().items]:
            storage.create_storage_class({"metadata": metadata, "provisioner": "example.org/none"})
        return ExistingProvider(cluster.provider.kubeconfig(cluster.spec), "", KubeClient)
