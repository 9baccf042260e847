"""Says what a sample waits for when nothing is heard of it for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, Message
from mlstack.core.holdups import Holdup, ailing, holdups
from mlstack.core.model import LABEL_STACK
from mlstack.core.ports import Kube
from mlstack.core.samplekind import Started

QUIET = 10.0
"""Seconds without news after which the cluster is asked what the sample waits for."""
LOOK = 5.0
"""Seconds between such questions."""


def out_of_order(kube: Kube, ground: Collection[str]) -> list[Holdup]:
    """What of these stacks does not work at the moment. Raises MlstackError."""
    found = []
    for kind in ("Deployment", "StatefulSet") if ground else ():
        resource = kube.resource("apps/v1", kind)
        assert resource, "every cluster serves it"  # noqa: S101
        found += ailing(kube.list(resource, selector=f"{LABEL_STACK} in ({','.join(sorted(ground))})"), ground)
    return found


class HoldupTeller:
    """Looks while a sample runs. name: how the names of its objects begin, once that is known; ground: the stacks that it
    stands on, whose own parts are looked at too."""

    def __init__(
        self, kube: Kube, emit: Emit, run: Started, name: Callable[[], str], ground: Collection[str] = ()
    ) -> None:
        self._kube, self._emit, self._run, self._name, self._ground = kube, emit, run, name, ground
        self._ended = threading.Event()
        self._heard = time.monotonic()
        self._began = datetime.now(UTC)
        self._told: set[tuple[str, str]] = set()

    def start(self) -> None:
        """Begins to look."""
        threading.Thread(target=self._keep_looking, daemon=True, name=f"holdups-of-{self._run.name}").start()

    def heard(self) -> None:
        """There was news."""
        self._heard = time.monotonic()

    def end(self) -> None:
        """No more is said."""
        self._ended.set()

    def _keep_looking(self) -> None:
        while not self._ended.wait(LOOK):
            if time.monotonic() - self._heard < QUIET:
                continue
            try:
                self._look()
            except MlstackError:
                continue  # the watch of the run itself says that the cluster does not answer

    def _look(self) -> None:
        pods, events = self._kube.resource("v1", "Pod"), self._kube.resource("v1", "Event")
        assert pods and events, "every cluster serves them"  # noqa: S101
        space = self._run.namespace
        mine = self._kube.list(pods, namespace=space, selector=self._run.pods)
        stem = self._name()
        found = holdups(mine, self._kube.list(events, namespace=space), stem, self._began) if stem or mine else []
        for one in [*out_of_order(self._kube, self._ground), *found]:
            # a reason may name a pod that is new with every try
            if (one.resource, one.remedy) not in self._told and not self._ended.is_set():
                self._told.add((one.resource, one.remedy))
                self._emit(Message(text=f"{one.resource} waits: {one.reason}; {one.remedy}", level="warning"))
