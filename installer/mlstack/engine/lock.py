"""One writer per instance: a lock on this host and a Lease in the cluster. Whoever comes second learns who is first."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.model import LABEL_INSTANCE, SYSTEM_NAMESPACE, Object, ResourceId
from mlstack.core.ports import Kube

LEASE_SECONDS = 30
RENEW_SECONDS = 10.0
RELEASE_SECONDS = 5.0


def held(holder: str, since: str = "") -> MlstackError:
    """The error of the second writer."""
    return MlstackError(
        "lock.held",
        "Another mlstack is changing this instance",
        why=holder + (f", since {since}" if since else ""),
        remedy="Wait until it is done, or stop it; several instances on one host need different --name.",
        exit_code=ExitCode.PREFLIGHT,
    )


class HostLock:
    """Locks an instance on this host for as long as the process lives; a killed process leaves no lock. A context manager.

    Beside the lock file lies what the holder is: process id, command, start. A directory that was only locked, because the
    command was refused, goes with the lock.
    """

    def __init__(self, directory: Path, command: str) -> None:
        self._path, self._command = directory / "lock", command
        self._lock: Any = None

    def __enter__(self) -> HostLock:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self._path, timeout=0, mode=0o600)
        while not self._lock.is_locked:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock.acquire()
            except Timeout:
                raise self._held() from None
            except (FileNotFoundError, FileExistsError):
                if self._path.parent.exists() and not self._path.parent.is_dir():
                    raise
                continue  # the one before us took its directory away just now
        holder = {"pid": os.getpid(), "command": self._command, "since": _now()}
        self._info.touch(mode=0o600)
        self._info.write_text(json.dumps(holder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._info.unlink(missing_ok=True)
        directory = self._path.parent
        unused = directory.is_dir() and [path.name for path in directory.iterdir()] == [self._path.name]
        if unused:
            self._path.unlink()  # while it is held: whoever waits for this file notices that it is gone
        self._lock.release()
        for folder in (directory, directory.parent) if unused else ():
            with suppress(OSError):  # somebody else came
                folder.rmdir()

    @property
    def _info(self) -> Path:
        return self._path.with_suffix(".json")

    def _held(self) -> MlstackError:
        try:
            holder = json.loads(self._info.read_text())
            return held(f"process {holder['pid']} on this host: mlstack {holder['command']}", str(holder["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return held("a process on this host that has not said yet what it does")


def identity(directory: Path, command: str) -> str:
    """Who we are in the Lease. The part before the last ``/`` names this host and this state directory: under the host
    lock any other holder with that part is dead."""
    state = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
    return f"{socket.gethostname()}/{state}/{os.getpid()}:{command}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class ClusterLease:
    """The Lease of an instance, renewed in the background. on_lost is called when somebody else took it."""

    def __init__(self, kube: Kube, instance: str, holder: str, on_lost: Callable[[], None] = lambda: None) -> None:
        self._kube, self._holder, self._on_lost = kube, holder, on_lost
        self._rid = ResourceId("Lease", f"mlstack-{instance}", SYSTEM_NAMESPACE, "coordination.k8s.io/v1")
        self._labels = {LABEL_INSTANCE: instance}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._meta: Mapping[str, Any] = {}

    def acquire(self) -> None:
        """Takes the Lease. Raises MlstackError lock.held with its holder."""
        for _attempt in range(5):
            try:
                self._meta = self._create()["metadata"]
            except MlstackError as error:
                if error.code != "kube.conflict":
                    raise
                self._make_way()
                continue
            self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")
            self._thread.start()
            return
        raise held("several processes want it at once")

    def release(self) -> None:
        """Gives the Lease back; a cluster that is gone has none."""
        self._ended.set()
        if self._thread is None:
            return
        # A server that is gone must not hold the end of the process up: the Lease runs out by itself.
        giving_back = threading.Thread(target=self._delete, daemon=True, name="lease release")
        giving_back.start()
        giving_back.join(RELEASE_SECONDS)

    def _delete(self) -> None:
        try:
            self._kube.delete(self._rid, uid=str(self._meta.get("uid", "")))
        except MlstackError:
            return

    def forget(self) -> None:
        """Ends the renewing without a request, for a cluster that is about to be stopped or deleted."""
        self._ended.set()

    def _create(self) -> Object:
        now = _now()
        lease = {
            "apiVersion": self._rid.api_version,
            "kind": "Lease",
            "metadata": {"name": self._rid.name, "namespace": self._rid.namespace, "labels": self._labels},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": now,
                "renewTime": now,
            },
        }
        try:
            return self._kube.create(lease)
        except MlstackError as error:
            if error.code != "kube.not-found":
                raise
        self._kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
        return self._kube.create(lease)

    def _make_way(self) -> None:
        """Deletes a Lease whose holder is dead; raises lock.held when it lives."""
        found = self._kube.get(self._rid)
        if found is None:
            return
        spec = found.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        dead_here = holder.rpartition("/")[0] == self._holder.rpartition("/")[0]
        if not dead_here and not _expired(spec):
            host, _, process = holder.partition("/")
            raise held(f"mlstack on host {host} ({process.partition('/')[2]})", str(spec.get("acquireTime") or ""))
        try:
            self._kube.delete(self._rid, uid=found["metadata"]["uid"])
        except MlstackError as error:
            if error.code != "kube.conflict":
                raise

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                patch = {"metadata": {"resourceVersion": self._meta["resourceVersion"]}, "spec": {"renewTime": _now()}}
                self._meta = self._kube.patch(self._rid, patch)["metadata"]
            except MlstackError as error:
                if error.code in ("kube.conflict", "kube.not-found") and not self._still_ours():
                    self._on_lost()
                    return

    def _still_ours(self) -> bool:
        try:
            found = self._kube.get(self._rid)
        except MlstackError:
            return True
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._holder:
            return self._ended.is_set()
        self._meta = found["metadata"]
        return True


def _expired(spec: Mapping[str, Any]) -> bool:
    try:
        renewed = datetime.datetime.fromisoformat(str(spec.get("renewTime")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return True
    return time.time() > renewed + float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
