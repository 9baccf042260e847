"""Keeps the routes in step with the notebooks that answer, and the platform's authority in their namespaces."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from mlstack_notebooks.kube import STATEFUL, Cluster
from mlstack_notebooks.site import API, JUPYTERLAB, NAME, Site, virtual_service
from mlstack_pod.kube import KubeError, Object, items

WATCH_SECONDS = 240
PAUSE = 2.0
"""Seconds before the cluster is asked again after it did not answer."""
LABELS = "app.kubernetes.io/name=notebook"
AUTHORITY = "platform-authority"
"""The ConfigMap by which a notebook knows the gateway's certificate."""
EDITOR = "mlstack.dev/editor"
"""Label of a pod whose editor is not JupyterLab."""
LOG = logging.getLogger("mlstack_notebooks")
_SETS = f"{STATEFUL}/statefulsets"


class Follower:
    """Follows the notebooks' StatefulSets. ``synced`` is set once the routes agree with what was read."""

    def __init__(self, cluster: Cluster, site: Site, authority: Path) -> None:
        """authority: file with the PEM of the authority that signs for this platform."""
        self.synced = threading.Event()
        self._cluster, self._site, self._authority = cluster, site, authority
        self._awake: dict[str, str] = {}
        self._written: Object | None = None

    def run(self, ended: threading.Event, pause: Callable[[float], object] | None = None) -> None:
        """Until ``ended`` is set. pause: waits so many seconds, or until the end."""
        while not ended.is_set():
            try:
                self._follow(self.read())
            except KubeError as error:
                LOG.warning("the notebooks are not followed: %s; next try in %s s", error, PAUSE)
                (pause or ended.wait)(PAUSE)

    def read(self) -> str:
        """Reads all notebooks and writes the routes; gives the version to follow from. Raises KubeError."""
        found = self._cluster.get(f"{_SETS}?labelSelector={LABELS.replace('=', '%3D')}")
        self._awake = {name: self._editor(name) for one in items(found) if (name := self._answers(one))}
        self._written = self._cluster.get(self._path())
        self._write()
        self.synced.set()
        self._tell_authority()
        return str(((found or {}).get("metadata") or {}).get("resourceVersion") or "0")

    def _follow(self, version: str) -> None:
        query = {"labelSelector": LABELS, "resourceVersion": version}
        for kind, obj in self._cluster.watch(_SETS, query, WATCH_SECONDS):
            name = obj["metadata"]["namespace"]
            if obj["metadata"]["name"] == "notebook":
                self._awake.pop(name, None)
                if kind != "DELETED" and self._answers(obj):
                    self._awake[name] = self._editor(name)
                self._write()

    def _answers(self, obj: Object) -> str:
        """The namespace of a notebook whose pod answers; empty else, and for what is called so by somebody else."""
        metadata = obj["metadata"]
        known = metadata["name"] == "notebook" and metadata["namespace"] in self._site.notebooks
        return metadata["namespace"] if known and (obj.get("status") or {}).get("readyReplicas") else ""

    def _editor(self, name: str) -> str:
        """What runs in a namespace's notebook: until its next start not what is configured where that has changed."""
        try:
            pods = items(self._cluster.get(f"api/v1/namespaces/{name}/pods?labelSelector={LABELS.replace('=', '%3D')}"))
        except KubeError as error:
            LOG.warning("the notebook of %s is taken for what is configured: %s", name, error)
            return self._site.notebooks[name].editor
        labels = [(pod["metadata"].get("labels") or {}).get(EDITOR) for pod in pods]
        return next((one for one in labels if one), JUPYTERLAB)

    def _write(self) -> None:
        wanted = virtual_service(self._site, self._awake)
        if self._written is None or self._written.get("spec") != wanted["spec"]:
            self._cluster.apply(self._path(), wanted)
            self._written = wanted
            LOG.info("notebooks that answer: %s", ", ".join(sorted(self._awake)) or "none")

    def _tell_authority(self) -> None:
        """It is written again with every round, so that a new authority gets everywhere within minutes."""
        data = {"ca.crt": self._authority.read_text()} if self._authority.is_file() else {}
        for name in self._site.notebooks:
            path = f"api/v1/namespaces/{name}/configmaps/{AUTHORITY}"
            live = self._cluster.get(path)
            if live is not None and data and live.get("data") != data:
                obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": AUTHORITY, "namespace": name}}
                self._cluster.apply(path, {**obj, "data": data})

    def _path(self) -> str:
        return f"apis/{API}/namespaces/{self._site.namespace}/virtualservices/{NAME}"
