"""The two things that are asked of the Kubernetes API: the list of namespaces, and whether somebody may see a namespace's runs."""

from __future__ import annotations

from collections.abc import Sequence

from mlstack_pod.kube import ACCOUNT, Kube

LIST_KEY = "tenants.json"
GROUP = "pipelines.kubeflow.org"


class Cluster:
    """The cluster, seen from a namespace of it."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace

    @staticmethod
    def of_pod() -> Cluster:
        """The cluster and the namespace that this pod is in."""
        return Cluster(Kube("mlstack-lineage"), (ACCOUNT / "namespace").read_text().strip())

    def listed(self, name: str) -> str:
        """The text of the list of namespaces in a ConfigMap. Raises KubeError, ValueError."""
        found = self._kube.get(f"api/v1/namespaces/{self._namespace}/configmaps/{name}")
        text = ((found or {}).get("data") or {}).get(LIST_KEY)
        if not isinstance(text, str):
            raise ValueError(f"ConfigMap {name} has no {LIST_KEY}")
        return text

    def may_see(self, user: str, groups: Sequence[str], namespace: str) -> bool:
        """Whether the user may get runs of the namespace, as the API server's own rules say. Raises KubeError."""
        asked = {"group": GROUP, "resource": "runs", "verb": "get", "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": list(groups), "resourceAttributes": asked},
        }
        found = self._kube.create("apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return (found.get("status") or {}).get("allowed") is True
