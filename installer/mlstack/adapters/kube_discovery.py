"""Which kinds the API server serves, in two requests (aggregated discovery), and those that CRDs applied since then add."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from mlstack.adapters.kube_http import Transport
from mlstack.adapters.kube_request import Request
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import Object
from mlstack.core.ports import ApiResource

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """Served resources, read once when first asked for. Safe for several threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._served: dict[tuple[str, str], ApiResource] | None = None
        self._learned: dict[tuple[str, str], ApiResource] = {}

    def find(self, api_version: str, kind: str) -> ApiResource | None:
        """The resource, or None when it is not served."""
        with self._lock:
            if (api_version, kind) in self._learned:
                return self._learned[(api_version, kind)]
            if self._served is None:
                self._served = self._read()
            return self._served.get((api_version, kind))

    def forget(self) -> None:
        """The next ``find`` asks the server anew."""
        with self._lock:
            self._served = None

    def learn(self, definition: Object) -> None:
        """Takes the kinds of a CRD that was just applied, so that using them costs no further discovery."""
        spec = definition["spec"]
        with self._lock:
            for version in spec["versions"]:
                resource = ApiResource(
                    f"{spec['group']}/{version['name']}",
                    spec["names"]["kind"],
                    spec["names"]["plural"],
                    spec.get("scope") == "Namespaced",
                )
                self._learned[(resource.api_version, resource.kind)] = resource

    def _read(self) -> dict[tuple[str, str], ApiResource]:
        found: dict[tuple[str, str], ApiResource] = {}
        for path in ("/api", "/apis"):
            answer = self._transport.call(Request("GET", path, accept=ACCEPT, about="the served kinds"))
            if answer.get("kind") != "APIGroupDiscoveryList":
                raise MlstackError(
                    "kube.version",
                    "The cluster's Kubernetes is too old",
                    why="it does not offer aggregated discovery (Kubernetes 1.30 and newer do)",
                    remedy="Use a cluster of a version that `mlstack stack list` names.",
                    exit_code=ExitCode.PREFLIGHT,
                )
            for group in answer.get("items") or ():
                _take(found, group)
        return found


def _take(found: dict[tuple[str, str], ApiResource], group: Mapping[str, Any]) -> None:
    name = (group.get("metadata") or {}).get("name") or ""
    for version in group.get("versions") or ():
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for resource in version.get("resources") or ():
            kind = (resource.get("responseKind") or {}).get("kind") or ""
            found.setdefault(
                (api_version, kind),
                ApiResource(api_version, kind, resource["resource"], resource.get("scope") == "Namespaced"),
            )
