"""An API server in this process, over real HTTP, that does what the engine relies on, and faults on demand (goal R3).

Server-side apply keeps our managedFields entry; another manager's change takes a field out of it, as the real one does.
Controllers are played: Deployments become available and CRDs Established a moment after they were written.
"""

from __future__ import annotations

import copy
import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BUILTIN = [
    ("v1", "Namespace", "namespaces", False),
    ("v1", "ConfigMap", "configmaps", True),
    ("v1", "Secret", "secrets", True),
    ("v1", "Service", "services", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("v1", "Pod", "pods", True),
    ("v1", "Event", "events", True),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("batch/v1", "Job", "jobs", True),
    ("coordination.k8s.io/v1", "Lease", "leases", True),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False),
]

Fault = Callable[["Handler", str], str]
"""(handler, path) -> what goes wrong: empty, 429, 500, 503, reset, late-reset, stall, truncated, gone."""


def fields_of(value, prefix=()):
    """Leaf paths of an object."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from fields_of(child, (*prefix, key))
    else:
        yield prefix


def fields_v1(paths):
    root: dict = {}
    for path in sorted(paths):
        here = root
        for part in path:
            here = here.setdefault(f"f:{part}", {})
    return root


class FakeApi:
    """The server. objects: (api_version, plural, namespace, name) -> object; log: (method, path, status) of all requests."""

    def __init__(self, directory: Path, *, ready_after: float = 0.02) -> None:
        self.objects: dict[tuple[str, str, str, str], dict] = {}
        self.owned: dict[tuple[str, str, str, str], set] = {}
        self.kinds = {(api, plural): (kind, namespaced) for api, kind, plural, namespaced in BUILTIN}
        self.events: list[tuple[int, str, tuple, dict]] = []
        self.log: list[tuple[str, str, int]] = []
        self.creates: dict[tuple, int] = {}
        self.fault: Fault = lambda _handler, _path: ""
        self.ready_after = ready_after
        self.never_ready: set[str] = set()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 100
        self.retry_after = "0"
        self.pod_logs: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.written: dict[tuple, int] = {}
        self.documents: dict[str, dict] = {}
        self.strangers = True
        self.ahead = 0.0
        self.directory = directory
        self.port = 0
        self.start()

    def start(self) -> None:
        self.server = QuietServer(("127.0.0.1", self.port), type("Bound", (Handler,), {"api": self}))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.kubeconfig = self.directory / "kubeconfig"
        self.kubeconfig.write_text(
            f"current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{self.port}'}}}}]\n"
            "contexts: [{name: c, context: {cluster: c}}]\n"
        )

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def put(self, key, obj, event: str) -> dict:
        """Stores an object under the lock and tells watchers."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        if event == "DELETED":
            self.objects.pop(key, None)
            self.owned.pop(key, None)
        else:
            self.objects[key] = obj
        self.events.append((self.version, event, key, copy.deepcopy(obj)))
        self.changed.notify_all()
        return obj

    def find(self, kind: str, name: str, namespace: str = "") -> dict | None:
        for (api, plural, where, called), obj in self.objects.items():
            if self.kinds[(api, plural)][0] == kind and (where, called) == (namespace, name):
                return obj
        return None

    def play_controller(self, key) -> None:
        """What a controller does a moment after a write."""
        kind = self.kinds[key[:2]][0]
        if kind not in ("Deployment", "CustomResourceDefinition", "Job") or key[3] in self.never_ready:
            return
        threading.Timer(self.ready_after, self._settle, (key, kind)).start()

    def _settle(self, key, kind) -> None:
        with self.lock:
            obj = copy.deepcopy(self.objects.get(key))
            if obj is None:
                return
            if kind == "Deployment":
                count = obj["spec"].get("replicas", 1)
                obj["status"] = {"observedGeneration": obj["metadata"]["generation"], "replicas": count}
                obj["status"] |= {"updatedReplicas": count, "availableReplicas": count}
            else:
                name = "Complete" if kind == "Job" else "Established"
                obj["status"] = {"conditions": [{"type": name, "status": "True"}]}
            self.put(key, obj, "MODIFIED")


class QuietServer(ThreadingHTTPServer):
    """A client that hangs up in the middle is part of the tests, not worth a traceback."""

    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        return


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, *_args) -> None:
        return

    def date_time_string(self, timestamp=None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.api.ahead)

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)

    def answer(self, status: int, body: dict | bytes, headers: dict | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.api.lock:
            self.api.log.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.trouble == "truncated":
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)
        self.wfile.flush()

    def refuse(self, status: int, message: str, reason: str = "", **headers: str) -> None:
        self.answer(status, {"kind": "Status", "code": status, "message": message, "reason": reason}, headers)

    def handle_any(self) -> None:
        self.trouble = self.api.fault(self, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        if self.trouble == "reset":
            self.close_connection = True
            self.connection.close()
            return
        if self.trouble == "stall":
            time.sleep(0.6)
            self.close_connection = True
            return
        if self.trouble == "429":
            self.refuse(429, "slow down", "TooManyRequests", **{"Retry-After": self.api.retry_after})
            return
        if self.trouble == "403":
            self.refuse(403, 'User "admin" cannot do that', "Forbidden")
            return
        if self.trouble in ("500", "503"):
            self.refuse(int(self.trouble), "trouble", "InternalError")
            return
        try:
            self.route(json.loads(raw) if raw else {})
        except (BrokenPipeError, ConnectionResetError, OSError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def route(self, body: dict) -> None:
        url = urlsplit(self.path)
        if self.answered_beside(url.path):
            return
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        api_version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        namespace = ""
        if len(rest) >= 3 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        if rest[-1] in ("log", "token"):
            self.part_of(rest[1], rest[-1])
            return
        plural, name = rest[0], rest[1] if len(rest) > 1 else ""
        if (api_version, plural) not in self.api.kinds:
            self.refuse(404, "the server could not find the requested resource", "NotFound")
            return
        if self.command == "GET" and query.get("watch"):
            self.watch(api_version, plural, namespace, query)
            return
        with self.api.lock:
            status, result = self.act((api_version, plural, namespace, name), query, body)
            result = copy.deepcopy(result)
        if self.trouble == "late-reset":
            self.close_connection = True
            self.connection.close()
            return
        if "PartialObjectMetadata" in self.headers.get("Accept", "") and status < 300:
            for item in result.get("items", [result]):
                for part in [part for part in item if part not in ("metadata", "kind", "apiVersion")]:
                    item.pop(part)
        self.answer(status, result)

    def answered_beside(self, path: str) -> bool:
        """Whether it was no matter of objects: a login that is missing, a document, a path that there is not."""
        if not self.api.strangers and not self.headers.get("Authorization"):
            self.refuse(401, "Unauthorized", "Unauthorized")
        elif path in self.api.documents:
            self.answer(200, self.api.documents[path])
        elif path.split("/")[1] not in ("api", "apis", "version"):
            self.refuse(404, "the server could not find the requested resource", "NotFound")
        elif path.count("/") == 1:
            self.answer(200, {"gitVersion": "v1.36.3"} if path == "/version" else self.discovery(path == "/api"))
        else:
            return False
        return True

    def part_of(self, name: str, part: str) -> None:
        """The log of a pod, or a token of a service account."""
        if part == "log":
            self.answer(200, self.api.pod_logs.get(name, "").encode())
        elif name in self.api.tokens:
            end = "2026-01-01T00:00:00Z"
            self.answer(201, {"status": {"token": self.api.tokens[name], "expirationTimestamp": end}})
        else:
            self.refuse(404, f'serviceaccounts "{name}" not found', "NotFound")

    def discovery(self, core: bool) -> dict:
        groups: dict[str, dict[str, list]] = {}
        with self.api.lock:
            kinds = dict(self.api.kinds)
        for (api_version, plural), (kind, namespaced) in kinds.items():
            group, _, version = api_version.rpartition("/")
            if (group == "") == core:
                scope = "Namespaced" if namespaced else "Cluster"
                one = {"resource": plural, "responseKind": {"kind": kind}, "scope": scope}
                groups.setdefault(group, {}).setdefault(version, []).append(one)
        items = [
            {
                "metadata": {"name": group},
                "versions": [{"version": version, "resources": found} for version, found in versions.items()],
            }
            for group, versions in groups.items()
        ]
        return {"kind": "APIGroupDiscoveryList", "items": items}

    def act(self, key, query, body) -> tuple[int, dict]:
        api, found = self.api, self.api.objects.get(key)
        if self.command == "GET" and not key[3]:
            return 200, {"kind": "List", "items": self.select(key, query)}
        if self.command == "GET":
            return (200, found) if found else self.absent(key)
        if self.command == "POST":
            return self.create(key, body)
        if self.command == "DELETE":
            return self.delete(key, found, body)
        if self.command == "PATCH" and "apply-patch" in self.headers["Content-Type"]:
            return self.apply(key, found, body)
        if found is None:
            return self.absent(key)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != found["metadata"]["resourceVersion"]:
            return self.status(409, "the object has been modified", "Conflict")
        changed = (
            merged(found, body)
            if self.command == "PATCH"
            else {**body, "metadata": {**found["metadata"], **body["metadata"]}}
        )
        api.owned[key] = {path for path in api.owned.get(key, set()) if at(found, path) == at(changed, path)}
        return 200, api.put(key, self.finished(key, changed), "MODIFIED")

    def status(self, code: int, message: str, reason: str) -> tuple[int, dict]:
        return code, {"kind": "Status", "code": code, "message": message, "reason": reason}

    def absent(self, key) -> tuple[int, dict]:
        return self.status(404, f'{key[1]} "{key[3]}" not found', "NotFound")

    def homeless(self, key) -> bool:
        return bool(key[2]) and ("v1", "namespaces", "", key[2]) not in self.api.objects

    def select(self, key, query) -> list[dict]:
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        found = []
        for (api_version, plural, namespace, _name), obj in self.api.objects.items():
            labels = obj["metadata"].get("labels") or {}
            if (api_version, plural) == key[:2] and key[2] in ("", namespace) and wanted.items() <= labels.items():
                found.append(obj)
        return found

    def finished(self, key, obj) -> dict:
        obj = copy.deepcopy(obj)
        entry = {"manager": "mlstack", "operation": "Apply", "fieldsV1": fields_v1(self.api.owned.get(key, set()))}
        obj["metadata"]["managedFields"] = [entry] if key in self.api.owned else []
        if key[1] == "secrets":
            obj["metadata"]["managedFields"].append(self.writer_of_data(key, obj))
        return obj

    def writer_of_data(self, key, obj) -> dict:
        """Who wrote a Secret's data, with another time after each write that changed it."""
        if (self.api.objects.get(key) or {}).get("data") != obj.get("data"):
            self.api.written[key] = self.api.written.get(key, 0) + 1
        time = f"2026-01-01T00:00:{self.api.written.get(key, 0):02}Z"
        return {"manager": "somebody", "operation": "Update", "time": time, "fieldsV1": {"f:data": {"f:x": {}}}}

    def create(self, key, body) -> tuple[int, dict]:
        key = (*key[:3], body["metadata"]["name"])
        if self.homeless(key):
            return self.status(404, f'namespaces "{key[2]}" not found', "NotFound")
        if key in self.api.objects:
            return self.status(409, "already exists", "AlreadyExists")
        self.api.creates[key] = self.api.creates.get(key, 0) + 1
        body["metadata"]["uid"] = uuid.uuid4().hex
        if key[1] == "secrets":
            body["metadata"]["managedFields"] = [self.writer_of_data(key, body)]
        return 201, self.api.put(key, body, "ADDED")

    def delete(self, key, found, body) -> tuple[int, dict]:
        if found is None:
            return self.absent(key)
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted and wanted != found["metadata"]["uid"]:
            return self.status(409, "uid differs", "Conflict")
        return 200, self.api.put(key, found, "DELETED")

    def apply(self, key, found, body) -> tuple[int, dict]:
        api = self.api
        if self.homeless(key):
            return self.status(404, f'namespaces "{key[2]}" not found', "NotFound")
        kept = {part: found[part] for part in ("status",) if found and part in found}
        metadata = {
            "uid": uuid.uuid4().hex,
            "generation": 0,
            **(found["metadata"] if found else {}),
            **body["metadata"],
        }
        before = {part: value for part, value in (found or {}).items() if part not in ("metadata", "status")}
        spec = {part: value for part, value in body.items() if part != "metadata"}
        metadata["generation"] += 1 if before != spec else 0
        api.owned[key] = {path for path in fields_of(body) if path[0] not in ("kind", "apiVersion")}
        stored = self.finished(key, {**spec, "metadata": metadata, **kept})
        if found and {**found, "metadata": {**found["metadata"], "resourceVersion": 0}} == {
            **stored,
            "metadata": {**stored["metadata"], "resourceVersion": 0},
        }:
            return 200, found
        if self.api.kinds[key[:2]][0] == "CustomResourceDefinition":
            for version in body["spec"]["versions"]:
                names = body["spec"]["names"]
                served = (f"{body['spec']['group']}/{version['name']}", names["plural"])
                api.kinds[served] = (names["kind"], body["spec"].get("scope") == "Namespaced")
        result = api.put(key, stored, "MODIFIED" if found else "ADDED")
        api.play_controller(key)
        return 200 if found else 201, result

    def watch(self, api_version, plural, namespace, query) -> None:
        fields = dict(part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if part)
        deadline = time.monotonic() + float(query["timeoutSeconds"])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with self.api.lock:
            self.api.log.append((self.command, self.path, 200))
            seen = len(self.api.events)
            first = [("ADDED", copy.deepcopy(obj)) for obj in self.select((api_version, plural, namespace, ""), query)]
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        if self.trouble == "gone":
            self.chunk(
                "ERROR", {"kind": "Status", "code": 410, "message": "too old resource version", "reason": "Expired"}
            )
            return
        for kind, obj in first:
            if fields.get("metadata.name", obj["metadata"]["name"]) == obj["metadata"]["name"]:
                self.chunk(kind, obj)
        while time.monotonic() < deadline:
            with self.api.lock:
                if len(self.api.events) == seen:
                    self.api.changed.wait(min(0.2, max(0.0, deadline - time.monotonic())))
                new, seen = self.api.events[seen:], len(self.api.events)
            for _version, kind, key, obj in new:
                labels = obj["metadata"].get("labels") or {}
                named = fields.get("metadata.name", key[3]) == key[3]
                if (
                    key[:2] == (api_version, plural)
                    and namespace in ("", key[2])
                    and wanted.items() <= labels.items()
                    and named
                ):
                    self.chunk(kind, obj)
                    if self.trouble == "truncated":
                        return
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, kind: str, obj: dict) -> None:
        data = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def at(obj, path):
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def merged(old, patch):
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(old.get(key), value)
    return result


def random_faults(
    chance: random.Random, rate: float, kinds=("429", "500", "503", "reset", "late-reset", "stall", "truncated", "gone")
):
    """Faults of all kinds at a rate, stalls rarer since each costs its time."""
    lock = threading.Lock()

    def fault(_handler, _path) -> str:
        with lock:
            if chance.random() >= rate:
                return ""
            kind = chance.choice(kinds)
            return "" if kind == "stall" and chance.random() < 0.7 else kind

    return fault
