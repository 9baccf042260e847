"""The way of a run to its cluster: the client is made when it is first needed (the cluster may not exist before), together
with the writer's Lease."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mlstack.core.ports import Kube
from mlstack.engine.lock import ClusterLease


class ClusterAccess:
    """Gives the client of an instance's cluster. Safe for several threads.

    factory: makes the client; holder: who we are in the Lease; on_lost: called when another writer took the Lease.
    """

    def __init__(
        self, factory: Callable[[], Kube], instance: str, holder: str, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._factory, self._instance, self._holder, self._on_lost = factory, instance, holder, on_lost
        self._kube: Kube | None = None
        self._lease: ClusterLease | None = None
        self._lock = threading.Lock()

    def reader(self) -> Kube:
        """The client, without the Lease."""
        with self._lock:
            if self._kube is None:
                self._kube = self._factory()
            return self._kube

    def writer(self) -> Kube:
        """The client, holding the Lease. Raises MlstackError lock.held."""
        kube = self.reader()
        with self._lock:
            if self._lease is None:
                lease = ClusterLease(kube, self._instance, self._holder, self._on_lost)
                lease.acquire()
                self._lease = lease
        return kube

    def abandon(self) -> None:
        """Drops the client without a request, before the cluster is stopped or deleted. The next use makes a new one."""
        with self._lock:
            if self._lease is not None:
                self._lease.forget()
            if self._kube is not None:
                self._kube.close()
            self._lease = self._kube = None

    def wake(self) -> None:
        """Ends whatever waits inside the client, for a run that was interrupted; the client is of no use afterwards."""
        if self._kube is not None:
            self._kube.close()

    def close(self) -> None:
        """Gives the Lease back and closes the client."""
        with self._lock:
            if self._lease is not None:
                self._lease.release()
            if self._kube is not None:
                self._kube.close()
            self._lease = self._kube = None
