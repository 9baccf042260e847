"""Says what a sample waits for when nothing is heard of it for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, Message
from mlstack.core.holdups import LOOK, OTHERWISE, QUIET, Holdup, ailing, holdups, unseen
from mlstack.core.model import LABEL_STACK, Object
from mlstack.core.ports import Kube
from mlstack.core.samplekind import Started

_OTHERWISE = f"{OTHERWISE}; interrupting this command does not end the run"


def out_of_order(kube: Kube, ground: Collection[str]) -> list[Holdup]:
    """What of these stacks does not work at the moment. Raises MlstackError."""
    found = []
    for kind in ("Deployment", "StatefulSet") if ground else ():
        resource = kube.resource("apps/v1", kind)
        assert resource, "every cluster serves it"  # noqa: S101
        found += ailing(kube.list(resource, selector=f"{LABEL_STACK} in ({','.join(sorted(ground))})"), ground)
    return found


def warning_of(found: Holdup, verb: str = "") -> Message:
    """What is said of it. verb: what it does, ``waits`` where the run may yet go on."""
    what = f"{found.resource} {verb}" if verb else found.resource
    return Message(text=f"{what}: {found.reason}; {found.remedy}", level="warning")


class HoldupTeller:
    """Looks while a sample runs. state: the watched object as the cluster last told it, empty before it is there; ground: the
    stacks that it stands on, whose own parts are looked at too."""

    def __init__(
        self, kube: Kube, emit: Emit, run: Started, state: Callable[[], Object], ground: Collection[str] = ()
    ) -> None:
        self._kube, self._emit, self._run, self._state, self._ground = kube, emit, run, state, ground
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
        for one in [*out_of_order(self._kube, self._ground), *found]:
            # a reason may name a pod that is new with every try
            if (one.resource, one.remedy) not in self._told and not self._ended.is_set():
                self._told.add((one.resource, one.remedy))
                self._emit(warning_of(one, "waits"))
