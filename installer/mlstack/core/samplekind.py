"""What the engine needs to know of a kind of sample: how it is started, what to watch, and what its state says.

A sample's document names its kind (``runner``); the sample itself is data of its stack. A new kind is one class with these calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlstack.core.model import Object
from mlstack.core.workflow import FlowStep


@dataclass(frozen=True, slots=True)
class Started:
    """A sample that was started. name: the run, as its users call it; api_version, kind, fields, selector: the one object in
    the cluster whose status tells how it goes (``fields`` and ``selector`` as in ``Kube.watch``); pods: selector of the pods
    whose log it writes; container: which of their containers; object: the watched object, where it is known already.
    """

    name: str
    namespace: str
    api_version: str
    kind: str
    fields: str = ""
    selector: str = ""
    pods: str = ""
    container: str = "main"
    object: Object = field(default_factory=dict)


class SampleState(Protocol):
    """What the one object that is watched tells of a sample (``core.samplestates``). It may be empty: not there yet."""

    def pods(self, name: str) -> tuple[str, str]:
        """(selector of the pods of the object of that name, which of their containers runs the user's program)."""
        ...

    def phase(self, obj: Object) -> str:
        """``Succeeded`` for a good end; ``Pending`` before anything was done."""
        ...

    def finished(self, obj: Object) -> bool:
        """Whether it has ended, well or not."""
        ...

    def message(self, obj: Object) -> str:
        """Why it stands where it does; empty when there is nothing to say."""
        ...

    def steps(self, obj: Object) -> list[FlowStep]:
        """What runs, one entry an attempt."""
        ...

    def times(self, obj: Object) -> tuple[str, str]:
        """(when it began, when it ended), as the API writes moments; empty where that is not known yet."""
        ...

    def lines(self) -> Callable[[str], str | None]:
        """What to show of the lines of one pod's log, asked in their order: None for what nobody wants to read."""
        ...


class SampleKind(SampleState, Protocol):
    """One kind."""

    def start(self, obj: Object) -> Started:
        """Starts what the sample's filled-in object describes. Raises MlstackError sample.not-served and the API's own."""
        ...

    def failures(self, run: Started) -> list[FlowStep]:
        """What failed of a run that did, where ``steps`` does not tell: its pods."""
        ...

    def results(self, run: Started, obj: Object, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """(values, places of files ``s3://bucket/key``) by the names that the sample gives them; what was not made is left out."""
        ...
