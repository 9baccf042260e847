"""What one profile must not get at in another (goal S3): the attempts, each of which the owner itself must succeed with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlstack.core.model import Object

EDITOR = "default-editor"
"""The service account of a profile with whose rights its programs work."""
CANARY = "mlstack-verify"
"""Name of the secret, the service and the object that are to be got at."""
PORT = 8080
CORE = ("configmaps", "persistentvolumeclaims", "pods", "secrets", "services")
"""Resources that every owner of a profile may list."""
DRY = "?dryRun=All"
NO_ANSWER = "no answer:"
"""What a pod's program says first where a request got no answer at all; only for pages that is what is wanted."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A profile with something to get at. address: of its pod; store: ``host:port`` of the object store; word: what it serves.

    vault: the namespace in which the platform keeps the keys of profiles; plurals: API group and version -> further resources.
    """

    namespace: str
    bucket: str
    pod: str
    address: str
    word: str
    store: str
    vault: str
    plurals: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something to try. question: as ``adapters.tenantprobe`` takes it; optional: not everybody is given it in their own profile;
    of_platform: nobody is, so the owner's success is no control for it."""

    name: str
    question: Mapping[str, Any]
    optional: bool = False
    of_platform: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. reached: it worked; told: the answer in a few words."""

    reached: bool
    told: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """An attempt with what is wrong about how it ended; empty: refused to the stranger and granted to the owner."""

    name: str
    error: str = field(default="")


def attempts(victim: Victim) -> list[Attempt]:
    """Everything to try on a profile."""
    return [*_pages(victim), *_resources(victim), *_objects(victim)]


def _pages(victim: Victim) -> Iterator[Attempt]:
    service = f"{CANARY}.{victim.namespace}.svc.cluster.local"
    for what, host in (("pod by its address", victim.address), ("service by its name", service)):
        yield Attempt(f"reach a {what}", {"kind": "page", "url": f"http://{host}:{PORT}/", "word": victim.word})


def _resources(victim: Victim) -> Iterator[Attempt]:
    base = f"/api/v1/namespaces/{victim.namespace}"
    for plural in CORE:
        yield Attempt(f"list {plural}", _api("GET", f"{base}/{plural}"))
    for version, plural in victim.plurals:
        path = f"/apis/{version}/namespaces/{victim.namespace}/{plural}"
        yield Attempt(f"list {plural} of {version.partition('/')[0]}", _api("GET", path), optional=True)
    yield Attempt("read a secret", _api("GET", f"{base}/secrets/{CANARY}"))
    yield Attempt("read the bucket's key", _api("GET", f"{base}/secrets/{victim.bucket}"))
    yield Attempt("read a pod's log", _api("GET", f"{base}/pods/{victim.pod}/log"))
    yield Attempt("delete a secret", _api("DELETE", f"{base}/secrets/{CANARY}{DRY}"))
    planted = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"planted"}}'
    yield Attempt("create an object", {**_api("POST", f"{base}/configmaps{DRY}"), "body": planted})
    kept = f"/api/v1/namespaces/{victim.vault}/secrets/{victim.bucket}"
    yield Attempt("read the bucket's key where the platform keeps it", _api("GET", kept), of_platform=True)


def _api(method: str, path: str) -> dict[str, Any]:
    return {"kind": "api", "method": method, "path": path}


def _objects(victim: Victim) -> Iterator[Attempt]:
    def store(method: str, path: str, **more: str) -> dict[str, Any]:
        return {"kind": "object", "endpoint": victim.store, "method": method, "path": path, **more}

    key = f"/{victim.bucket}/{CANARY}"
    yield Attempt("write an object", store("PUT", key, body=victim.word))
    yield Attempt("read an object", store("GET", key))
    yield Attempt("list a bucket", store("GET", f"/{victim.bucket}", query="list-type=2"))
    yield Attempt("delete an object", store("DELETE", f"{key}-nothing"))


def own(attacker: Victim) -> list[Attempt]:
    """What the attacker must succeed with at home: without it a refusal elsewhere might be its own inability."""
    secret = _api("GET", f"/api/v1/namespaces/{attacker.namespace}/secrets")
    (written, *_) = _objects(attacker)
    return [Attempt("its own API", secret), Attempt("its own bucket", written.question)]


def questions(tried: Sequence[Attempt], *, wanted: bool) -> list[dict[str, Any]]:
    """The attempts as a pod takes them; the ids are their places in the list."""
    return [{**one.question, "id": number, "wanted": wanted} for number, one in enumerate(tried)]


def findings(
    tried: Sequence[Attempt], attacked: Mapping[int, Outcome], controlled: Mapping[int, Outcome]
) -> Iterator[Finding]:
    """What came of each attempt. attacked: by the stranger; controlled: by the owner. An optional one that not even the owner
    is given says nothing and is left out, unless the stranger was given it."""
    for number, one in enumerate(tried):
        stranger, owner = attacked.get(number), controlled.get(number)
        if stranger is None or (owner is None and not one.of_platform):
            yield Finding(one.name, "it was not tried to the end")
        elif stranger.reached:
            yield Finding(one.name, f"another profile may: {stranger.told}")
        elif one.question["kind"] != "page" and stranger.told.startswith(NO_ANSWER):
            yield Finding(one.name, f"it was not refused, nobody answered ({stranger.told}): nothing is proved")
        elif one.of_platform or (owner is not None and owner.reached):
            yield Finding(one.name)
        elif not one.optional:
            yield Finding(one.name, f"its owner may not either ({owner.told if owner else ''}): nothing is proved")


def plurals_of(objects: Iterable[Object]) -> list[tuple[str, str]]:
    """Group and version with the plural name of every resource in namespaces that the objects define."""
    found = []
    for obj in objects:
        if obj["kind"] == "CustomResourceDefinition" and obj["spec"]["scope"] == "Namespaced":
            version = next(one["name"] for one in obj["spec"]["versions"] if one.get("served"))
            found.append((f"{obj['spec']['group']}/{version}", obj["spec"]["names"]["plural"]))
    return sorted(found)


def server(namespace: str, image: str, program: str, word: str) -> list[Object]:
    """The secret, the pod and the service that are to be got at."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CANARY, "namespace": namespace}}
    pod = probe_pod("server", namespace, image, program, {"WORD": word})
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": CANARY, "namespace": namespace},
        "spec": {"selector": pod["metadata"]["labels"], "ports": [{"port": PORT}]},
    }
    return [{**secret, "stringData": {"word": word}}, pod, service]


def probe_pod(
    name: str, namespace: str, image: str, program: str, variables: Mapping[str, str], keys: str = ""
) -> Object:
    """A pod that runs the program with the rights of the profile. keys: Secret with the key of its bucket."""
    env: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in variables.items()]
    for variable, key in (("STORE_KEY", "accesskey"), ("STORE_SECRET", "secretkey")) if keys else ():
        env.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": keys, "key": key}}})
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", program],
        "env": env,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    confined = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{CANARY}-{name}", "namespace": namespace, "labels": {"app": f"{CANARY}-{name}"}},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": EDITOR,
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": False,
            "securityContext": confined,
            "containers": [container],
        },
    }
