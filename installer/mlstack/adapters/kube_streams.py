"""Commands inside pods and forwarded ports, over the ``kubernetes`` SDK's websockets. Imported only when one is needed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mlstack.adapters.kube_sdk import load_sdk
from mlstack.core.errors import MlstackError
from mlstack.core.model import Object, ResourceId
from mlstack.core.readiness import says_ready

if TYPE_CHECKING:
    from mlstack.adapters.kube import KubeClient

STDIN, STDOUT, STDERR = 0, 1, 2
CHUNK = 32768


def _core(kubeconfig: Path, context: str) -> Any:
    """An API object of its own: the SDK swaps a method of it while a stream is opened."""
    load_sdk()
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), context or None, client_configuration=settings, persist_config=False)  # type: ignore[no-untyped-call]
    return client.CoreV1Api(client.ApiClient(settings))


def execute(
    kubeconfig: Path, context: str, where: tuple[str, str, str], command: Sequence[str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Runs a command in (namespace, pod, container). Raises MlstackError kube.exec; timeout in seconds."""
    load_sdk()
    from kubernetes.client import ApiException
    from kubernetes.stream import stream

    namespace, pod, container = where
    options = {"container": container} if container else {}
    try:
        channel = stream(
            _core(kubeconfig, context).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(command),
            stdin=bool(stdin),
            stdout=True,
            stderr=True,
            tty=False,
            binary=True,
            _preload_content=False,
            **options,
        )
    except ApiException as error:
        raise _failed(namespace, pod, command, str(error.reason).splitlines()[0][:300]) from None
    try:
        return _converse(channel, where, command, stdin.encode(), timeout)
    finally:
        channel.close()


def _converse(
    channel: Any, where: tuple[str, str, str], command: Sequence[str], stdin: bytes, timeout: float
) -> tuple[int, str, str]:
    for start in range(0, len(stdin), CHUNK):
        channel.write_channel(STDIN, stdin[start : start + CHUNK])
    if stdin:
        channel.close_channel(STDIN)
    output, deadline = {STDOUT: b"", STDERR: b""}, time.monotonic() + timeout
    while channel.is_open() and time.monotonic() < deadline:
        channel.update(timeout=min(1.0, max(0.0, deadline - time.monotonic())))
        for number in output:
            output[number] += channel.read_channel(number)
    if channel.is_open():
        raise _failed(where[0], where[1], command, f"not finished after {timeout:.0f} s")
    for number in output:
        output[number] += channel.read_channel(number)
    try:
        code = int(channel.returncode)
    except (KeyError, IndexError, TypeError, ValueError):
        raise _failed(where[0], where[1], command, "it could not be started or its end was lost") from None
    return code, output[STDOUT].decode("utf-8", "replace"), output[STDERR].decode("utf-8", "replace")


def _failed(namespace: str, pod: str, command: Sequence[str], why: str) -> MlstackError:
    return MlstackError(
        "kube.exec",
        f"The command {command[0]} could not be run in pod {namespace}/{pod}",
        why=why,
        remedy="Check that the pod runs (`mlstack status`), then run the command again.",
    )


class Forward:
    """A listening port on 127.0.0.1 whose connections end in a pod behind a Service. A context manager."""

    def __init__(
        self, kube: KubeClient, kubeconfig: Path, context: str, namespace: str, service: str, port: int
    ) -> None:
        self._kube, self._kubeconfig, self._context = kube, kubeconfig, context
        self._namespace, self._service, self._port = namespace, service, port
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    def __enter__(self) -> int:
        pod, target = _backend(self._kube, self._namespace, self._service, self._port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(
            target=self._serve, args=(self._listener, pod, target), daemon=True, name=f"forward {pod}"
        ).start()
        return int(self._listener.getsockname()[1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in [self._listener, *self._open]:
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def _serve(self, listener: socket.socket, pod: str, target: int) -> None:
        while True:
            try:
                local, _ = listener.accept()
            except OSError:
                return
            self._open.add(local)
            threading.Thread(target=self._carry, args=(local, pod, target), daemon=True).start()

    def _carry(self, local: socket.socket, pod: str, target: int) -> None:
        load_sdk()
        from kubernetes.client import ApiException
        from kubernetes.stream import portforward

        try:
            core = _core(self._kubeconfig, self._context)
            remote = portforward(
                core.connect_get_namespaced_pod_portforward, pod, self._namespace, ports=str(target)
            ).socket(target)
        except (ApiException, OSError):
            local.close()
            return
        back = threading.Thread(target=_pump, args=(remote, local), daemon=True)
        back.start()
        _pump(local, remote)
        back.join()
        self._open.discard(local)
        local.close()
        remote.close()


def _pump(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _backend(kube: KubeClient, namespace: str, service: str, port: int) -> tuple[str, int]:
    """A ready pod behind the Service and its port. Raises MlstackError kube.no-backend."""
    found = kube.get(ResourceId("Service", service, namespace))
    spec = (found or {}).get("spec") or {}
    entry = next((item for item in spec.get("ports") or () if item["port"] == port), None)
    pods = kube.resource("v1", "Pod")
    if entry is None or pods is None or not spec.get("selector"):
        raise _no_backend(namespace, service, port, "there is no such Service with that port and a selector")
    selector = ",".join(f"{key}={value}" for key, value in spec["selector"].items())
    for pod in kube.list(pods, selector, namespace):
        if says_ready(pod) and not pod["metadata"].get("deletionTimestamp"):
            return str(pod["metadata"]["name"]), _target(pod, entry)
    raise _no_backend(namespace, service, port, "no pod behind it is ready")


def _target(pod: Object, entry: Mapping[str, Any]) -> int:
    wanted = entry.get("targetPort", entry["port"])
    if isinstance(wanted, int):
        return wanted
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return int(entry["port"])


def _no_backend(namespace: str, service: str, port: int, why: str) -> MlstackError:
    return MlstackError(
        "kube.no-backend",
        f"Service {namespace}/{service}:{port} cannot be reached",
        why=why,
        remedy="Check the stack with `mlstack status`; `mlstack up` repairs it.",
    )
