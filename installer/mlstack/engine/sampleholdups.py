"""Says what a sample waits for when nothing is heard of it for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, Message
from mlstack.core.holdups import LOOK, OTHERWISE, QUIET, holdups, unseen
from mlstack.core.model import Object
from mlstack.core.ports import Kube
from mlstack.core.samplekind import Started

_OTHERWISE = f"{OTHERWISE}; interrupting this command does not end the run"


class HoldupTeller:
    """Looks while a sample runs. state: the watched object as the cluster last told it, empty before it is there."""

    def __init__(self, kube: Kube, emit: Emit, run: Started, state: Callable[[], Object]) -> None:
        self._kube, self._emit, self._run, self._state = kube, emit, run, state
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
        state, told = self._state(), self._kube.list(events, namespace=space)
        if not state and not mine:
            return
        # the names of a run's objects begin with its own; without that only its pods are looked at
        stem = state["metadata"]["name"] if state else mine[0]["metadata"]["name"]
        found = holdups(mine, told, stem, self._began, _OTHERWISE) or (unseen(state) if state else [])
        for one in found:
            # a reason may name a pod that is new with every try
            if (one.resource, one.remedy) not in self._told and not self._ended.is_set():
                self._told.add((one.resource, one.remedy))
                self._emit(Message(text=f"{one.resource} waits: {one.reason}; {one.remedy}", level="warning"))
