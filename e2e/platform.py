"""The platform under test, driven as a user drives it: through the command line and the published endpoints."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kubernetes
from minio import Minio

COMMAND = (sys.executable, "-m", "mlstack")
SHELL_IMAGE = "docker.io/library/busybox:1.35"
"""The small image with a shell that the samples use; it is on the node."""
PYTHON_IMAGE = "mlstack.local/train-iris:1"
"""The image with Python that a sample uses; it is on the node."""


@dataclass
class Run:
    """A finished command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


@dataclass
class Platform:
    """One instance. extra: flags that every command of this instance needs."""

    name: str
    extra: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def argv(self, *args: str) -> list[str]:
        return [*COMMAND, *args, "--name", self.name, *self.extra]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def cli(self, *args: str, timeout: float = 600, check: bool = True, stdin: str = "") -> Run:
        done = subprocess.run(
            self.argv(*args),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(),
            input=stdin,
        )
        run = Run(done.returncode, done.stdout, done.stderr)
        assert not check or run.code == 0, (
            f"mlstack {' '.join(args)} ended with {run.code}\n{run.out[-3000:]}\n{run.err[-6000:]}"
        )
        return run

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*args),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def up(self, *args: str, timeout: float = 4800) -> Run:
        return self.cli("up", "--yes", "--json", *args, timeout=timeout)

    def status(self) -> dict[str, Any]:
        return self.cli("status", "--json").json()

    @property
    def kubeconfig(self) -> Path:
        return Path(self.status()["kubeconfig"])

    def api(self) -> kubernetes.client.ApiClient:
        return kubernetes.config.new_client_from_config(str(self.kubeconfig))

    def core(self) -> kubernetes.client.CoreV1Api:
        return kubernetes.client.CoreV1Api(self.api())

    def credential(self, name: str) -> dict[str, str]:
        items = self.cli("credentials", name, "--json").json()["items"]
        return dict(items[0]["values"])

    def provides(self, capability: str) -> bool:
        """Whether an installed stack provides the capability."""
        installed = {stack["name"] for stack in self.status()["stacks"]}
        stacks = self.cli("stack", "list", "--json").json()["items"]
        return any(capability in stack["provides"] for stack in stacks if stack["name"] in installed)

    def door(self) -> tuple[str, str]:
        """The gateway's external address, without a slash at its end, and the PEM of the authority of its certificate. The
        address is empty where there is no gateway."""
        url = {item["name"]: item["routed"] for item in self.status()["endpoints"]}.get("gateway", "")
        if not url:
            return "", ""
        secret = self.core().read_namespaced_secret("gateway-tls", "istio-system")
        return str(url).rstrip("/"), base64.b64decode(secret.data["ca.crt"]).decode()

    def hello(self) -> dict[str, Any]:
        """The result of the smallest sample, which tells where samples run."""
        return self.cli("run", "hello", "--watch", "--json").lines()[-1]

    def endpoint(self, name: str) -> str:
        found = {item["name"]: item["url"] for item in self.status()["endpoints"]}
        return found[name]

    def minio(self, **override: str) -> Minio:
        keys = {"access_key": "", "secret_key": ""}
        values = self.credential("minio")
        keys["access_key"], keys["secret_key"] = values["accesskey"], values["secretkey"]
        keys.update(override)
        return Minio(self.endpoint("s3").split("://", 1)[1].rstrip("/"), secure=False, **keys)


def finished(run: Run) -> dict[str, Any]:
    """The event that ends a run of ``up --json`` and its like."""
    found: dict[str, Any] = next(event for event in run.lines() if event["type"] == "RunFinished")
    return found


def wait_for(core: kubernetes.client.CoreV1Api, namespace: str, name: str, phases: set[str], seconds: int = 180) -> str:
    """Watches one pod until its phase is one of ``phases``; returns the phase, fails after ``seconds``."""
    watch = kubernetes.watch.Watch()
    last = ""
    for event in watch.stream(
        core.list_namespaced_pod, namespace, field_selector=f"metadata.name={name}", timeout_seconds=seconds
    ):
        last = event["object"].status.phase
        if last in phases:
            watch.stop()
            return last
    raise AssertionError(f"pod {namespace}/{name} is {last or 'absent'} after {seconds} s, wanted {phases}")


def until(condition: Callable[[], Any], seconds: float, what: str = "it") -> Any:
    """What the condition gives once it gives something; fails after ``seconds``. For what no watch tells of."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} does not hold after {seconds} s"
        time.sleep(0.5)
    return found


def restricted(image: str, command: list[str], **more: Any) -> dict[str, Any]:
    """A pod spec that the restricted Pod Security level admits."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                **more,
            }
        ],
    }


@contextmanager
def namespace(core: kubernetes.client.CoreV1Api, labels: dict[str, str] | None = None) -> Iterator[str]:
    """A namespace of the test's own, deleted afterwards."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": labels or {}}})
    try:
        yield name
    finally:
        core.delete_namespace(name)


def run_pod(
    core: kubernetes.client.CoreV1Api, space: str, spec: dict[str, Any], labels: dict[str, str] | None = None
) -> str:
    """Creates a pod of ``spec``; returns its name."""
    name = f"p-{uuid.uuid4().hex[:8]}"
    core.create_namespaced_pod(space, {"metadata": {"name": name, "labels": labels or {}}, "spec": spec})
    return name
