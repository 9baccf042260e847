"""The Kubernetes API as the engine needs it: list, get, apply, create, delete, watch, logs on a lean pooled client.

Commands inside pods and forwarded ports are in ``kube_streams``. No policy here: what to apply and when is the engine's.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mlstack.adapters import kube_request
from mlstack.adapters.kube_discovery import Discovery
from mlstack.adapters.kube_http import DEFAULT_PATIENCE, Patience, Read, Transport
from mlstack.adapters.kube_request import JSON, METADATA_LIST, Request, path_of
from mlstack.adapters.kube_watch import read_lines, read_watch
from mlstack.adapters.kubeconfig import load
from mlstack.core.errors import MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.ports import ApiResource, WatchEvent

Objects = list[Object]
ANNOTATION_REQUEST = "mlstack.dev/request"
"""Marks a created object with the request that made it, so that a lost answer can be told from a foreign object."""
SERVED_WITHIN = 10.0
"""Seconds a new CRD's path may still answer 404 after it is Established."""


class KubeClient:
    """``ports.Kube`` over HTTP. kubeconfig: file; context: empty for its current one; notify, read: see ``Transport``."""

    def __init__(
        self,
        kubeconfig: Path,
        context: str = "",
        *,
        patience: Patience = DEFAULT_PATIENCE,
        notify: Callable[[str], None] = lambda _line: None,
        read: Read = lambda _path, _query, _answer: None,
    ) -> None:
        self._kubeconfig, self._context = kubeconfig, context
        self._transport = Transport(load(kubeconfig, context), patience, notify, read=read)
        self._discovery = Discovery(self._transport)

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._transport.requests

    def server_version(self) -> str:
        """The server's version without the leading ``v``."""
        answer = self._transport.call(Request("GET", "/version", about="its version"))
        return str(answer.get("gitVersion", "")).removeprefix("v")

    def resource(self, api_version: str, kind: str) -> ApiResource | None:
        """The served resource of a kind, None when it is not served."""
        return self._discovery.find(api_version, kind)

    def forget_discovery(self) -> None:
        """Makes the next ``resource`` ask the server."""
        self._discovery.forget()

    def list_metadata(self, resource: ApiResource, selector: str = "", namespace: str = "") -> Objects:
        """Metadata of all objects, managedFields included; apiVersion and kind are filled in."""
        return self._list(resource, selector, namespace, METADATA_LIST)

    def list(self, resource: ApiResource, selector: str = "", namespace: str = "") -> Objects:
        """All objects in full."""
        return self._list(resource, selector, namespace, JSON)

    def _list(self, resource: ApiResource, selector: str, namespace: str, accept: str) -> Objects:
        query = {"labelSelector": selector} if selector else None
        request = Request(
            "GET", path_of(resource, namespace), query, accept=accept, about=f"the list of {resource.plural}"
        )
        items: Objects = self._transport.call(request).get("items") or []
        for item in items:
            item["apiVersion"], item["kind"] = resource.api_version, resource.kind
        return items

    def get(self, rid: ResourceId) -> Object | None:
        """The object in full, None when it or its kind is not there."""
        resource = self._discovery.find(rid.api_version, rid.kind)
        if resource is None:
            return None
        request = Request("GET", path_of(resource, rid.namespace, rid.name), about=str(rid))
        try:
            return dict(self._transport.call(request))
        except MlstackError as error:
            if error.code == "kube.not-found":
                return None
            raise

    def apply(self, obj: Object, *, force: bool = True, dry_run: bool = False) -> Object:
        """Server-side applies the object. Gives its metadata; with dry_run the whole object as it would become."""
        rid = ResourceId.of(obj)
        applied: Object = self._call_served(kube_request.apply_request(self._served(rid), rid, obj, force, dry_run))
        if rid.kind == "CustomResourceDefinition" and not dry_run:
            self._discovery.learn(obj)
        return {**applied, "apiVersion": rid.api_version, "kind": rid.kind}

    def _call_served(self, request: Request) -> Any:
        """A CRD that is Established is served a moment later: a 404 for the path itself is waited out, within a bound."""
        deadline, delay = time.monotonic() + SERVED_WITHIN, 0.05
        while True:
            try:
                return self._transport.call(request)
            except MlstackError as error:
                missing_path = error.code == "kube.not-found" and "could not find the requested resource" in error.why
                if not missing_path or time.monotonic() > deadline:
                    raise
            time.sleep(delay)
            delay = min(delay * 2, 1.0)

    def create(self, obj: Object) -> Object:
        """Creates the object; raises kube.conflict when there is one of that name. Never makes it twice.

        A generateName is filled in here, not by the server, so that a lost answer can be asked for again by name.
        """
        metadata = obj["metadata"]
        if "name" not in metadata:
            obj = {**obj, "metadata": {**metadata, "name": f"{metadata['generateName']}{uuid.uuid4().hex[:6]}"}}
        rid = ResourceId.of(obj)
        mark = uuid.uuid4().hex
        notes = {**(obj["metadata"].get("annotations") or {}), ANNOTATION_REQUEST: mark}
        metadata = {**obj["metadata"], "annotations": notes}

        def mine() -> Object | None:
            found = self.get(rid)
            marks = (found["metadata"].get("annotations") or {}) if found else {}
            return found if marks.get(ANNOTATION_REQUEST) == mark else None

        request = self._write("POST", rid, {**obj, "metadata": metadata}, resend=mine)
        try:
            created: Object = self._call_served(request)
        except MlstackError as error:
            found = mine() if error.code == "kube.conflict" else None
            if found is None:
                raise
            return found
        return created

    def review(self, obj: Object) -> Object:
        """Asks a question that is put as an object without a name and not kept (``SelfSubjectAccessReview``)."""
        rid = ResourceId(obj["kind"], "", api_version=obj["apiVersion"])
        return dict(self._transport.call(self._write("POST", rid, obj, resend=lambda: None)))

    def replace(self, obj: Object) -> Object:
        """Replaces the object; with a resourceVersion in it, only if nobody changed it since (else kube.conflict)."""
        return dict(self._transport.call(self._write("PUT", ResourceId.of(obj), obj)))

    def patch(self, rid: ResourceId, patch: Mapping[str, Any]) -> Object:
        """A JSON merge patch of single fields."""
        return dict(self._transport.call(self._write("PATCH", rid, patch)))

    def _write(
        self, method: str, rid: ResourceId, body: Mapping[str, Any], resend: Callable[[], Any] | None = None
    ) -> Request:
        return kube_request.write_request(method, self._served(rid), rid, body, resend)

    def delete(self, rid: ResourceId, *, propagation: str = "Background", uid: str = "") -> bool:
        """Deletes the object; with uid only that very one (else kube.conflict). False when it was not there."""
        resource = self._discovery.find(rid.api_version, rid.kind)
        if resource is None:
            return False
        try:
            self._transport.call(kube_request.delete_request(resource, rid, propagation, uid))
        except MlstackError as error:
            if error.code == "kube.not-found":
                return False
            raise
        return True

    def watch(
        self,
        resource: ApiResource,
        *,
        namespace: str = "",
        selector: str = "",
        fields: str = "",
        timeout: float = 60.0,
    ) -> Iterator[WatchEvent]:
        """Every object there is as ADDED, then each change, until timeout seconds are over."""
        query = {"watch": "1", "timeoutSeconds": str(max(1, int(timeout)))}
        query.update({"labelSelector": selector} if selector else {})
        query.update({"fieldSelector": fields} if fields else {})
        request = Request("GET", path_of(resource, namespace), query, about=f"changes of {resource.plural}")
        return read_watch(self._transport, request, timeout)

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        tail: int = 0,
        follow: bool = False,
        previous: bool = False,
    ) -> Iterator[str]:
        """Lines of a container's log."""
        flags = {name: "true" for name, on in (("follow", follow), ("previous", previous)) if on}
        options = {"container": container, "tailLines": str(tail or ""), **flags}
        return read_lines(self._transport, kube_request.log_request(namespace, pod, options), follow)

    def execute(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: str = "",
        timeout: float = 60.0,
    ) -> tuple[int, str, str]:
        """Runs a command in a container: exit code, stdout, stderr. Secrets belong into stdin, never into command."""
        from mlstack.adapters.kube_streams import execute

        return execute(self._kubeconfig, self._context, (namespace, pod, container), command, stdin, timeout)

    def forward(self, namespace: str, service: str, port: int) -> AbstractContextManager[int]:
        """A free port of 127.0.0.1 that leads to a ready pod behind the Service while the context lasts."""
        from mlstack.adapters.kube_streams import Forward

        return Forward(self, self._kubeconfig, self._context, namespace, service, port)

    def token(self, namespace: str, account: str, audiences: Sequence[str], seconds: int) -> tuple[str, str]:
        """A service account's token and the time it ends. The server may give it a shorter or longer life."""
        status = self._transport.call(kube_request.token_request(namespace, account, audiences, seconds))["status"]
        return str(status["token"]), str(status["expirationTimestamp"])

    def close(self) -> None:
        """Ends every wait and watch; the client is of no use afterwards."""
        self._transport.close()

    def _served(self, rid: ResourceId) -> ApiResource:
        resource = self._discovery.find(rid.api_version, rid.kind)
        if resource is None:
            self._discovery.forget()
            resource = self._discovery.find(rid.api_version, rid.kind)
        if resource is None:
            raise MlstackError(
                "kube.unknown-kind",
                f"The cluster does not know the kind of {rid}",
                why=f"{rid.api_version} {rid.kind} is not served",
                remedy="Require the stack that brings its CustomResourceDefinition, or correct apiVersion and kind.",
            )
        return resource
