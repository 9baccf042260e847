"""What the use cases hand to the command line: small frozen results. No behaviour; a credential's value never shows in ``repr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlstack.core.model import ClusterState


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInfo:
    """Something the user can open or connect to. url: complete, on the host; routed: through the gateway, empty where it has no
    place behind one; scheme: as the stack says (``s3`` is spoken by programs); credential: name for ``mlstack credentials``."""

    name: str
    stack: str
    url: str
    routed: str = ""
    scheme: str = "http"
    doc: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """An object that is not ready, with the last reason seen."""

    resource: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """How one installed stack is. ready/total: its workload objects; pending: those that are not ready."""

    name: str
    version: str
    ready: int
    total: int
    pending: tuple[ObjectState, ...] = ()

    @property
    def healthy(self) -> bool:
        """True when every workload of the stack is ready."""
        return self.ready == self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How an instance is. ``ready`` decides the exit code of ``mlstack status`` (0, else 4). unfinished: the command that was
    interrupted and can be resumed, empty otherwise; missing: wanted stacks that are not installed."""

    instance: str
    provider: str
    cluster: ClusterState
    kubernetes: str = ""
    nodes: tuple[str, ...] = ()
    kubeconfig: str = ""
    stacks: tuple[StackStatus, ...] = ()
    missing: tuple[str, ...] = ()
    endpoints: tuple[EndpointInfo, ...] = ()
    samples: tuple[str, ...] = ()
    unfinished: str = ""

    @property
    def ready(self) -> bool:
        """True when the cluster runs and every wanted stack is installed and healthy."""
        return self.cluster is ClusterState.RUNNING and not self.missing and all(stack.healthy for stack in self.stacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamInfo:
    """A declared parameter of a stack, an addon or a sample. value: what it is set to now (the default unless changed)."""

    name: str
    type: str
    default: Any
    doc: str
    value: Any = None
    allowed: str = ""
    """What it may be, for people: ``1 to 100``, ``mysql, mariadb``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleInfo:
    """A sample that can be run. seconds: typical duration on two cores."""

    name: str
    stack: str
    summary: str
    seconds: float = 0.0
    params: tuple[ParamInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResult:
    """How a sample ended. phase: Succeeded, Failed, Error, or Running when it was not watched; results: named values; artifacts:
    name -> place (``s3://bucket/key``); url: where it can be seen."""

    sample: str
    run: str
    namespace: str
    phase: str
    seconds: float = 0.0
    message: str = ""
    results: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    url: str = ""

    @property
    def ok(self) -> bool:
        """False when the run ended without success."""
        return self.phase in ("Succeeded", "Running", "Pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A login. values: key -> value, left out of ``repr``; ``mlstack credentials`` is the only place that prints them."""

    name: str
    stack: str
    url: str = ""
    doc: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


class CheckState(StrEnum):
    """How a check of ``doctor`` came out. FIXED: it failed and ``--fix`` mended it; SKIPPED: it does not apply here."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    FIXED = "fixed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding of ``doctor``. group: host, engine, artifacts, cluster, platform; fixable: ``--fix`` can mend it."""

    name: str
    group: str
    state: CheckState
    detail: str = ""
    remedy: str = ""
    fixable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """A stack or addon. enabled: as configured; installed: version in the cluster, or ``unknown`` where that cannot
    be asked; registry_only: versions that no recipe makes."""

    name: str
    version: str
    versions: tuple[str, ...]
    summary: str
    enabled: bool
    registry_only: tuple[str, ...] = ()
    installed: str = ""
    license: str = ""
    homepage: str = ""
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    params: tuple[ParamInfo, ...] = ()
    images: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image the configuration needs. size: bytes as stored, 0 when not cached; source: where it is or would come from."""

    ref: str
    stack: str
    cached: bool
    size: int = 0
    source: str = ""
    digest: str = ""
    loaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What ``images prune`` removed. freed, left: bytes."""

    removed: tuple[str, ...]
    freed: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One check of the running platform. error: empty when it passed."""

    name: str
    stack: str
    seconds: float
    error: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """The end of ``mlstack test``. junit: the file written, if any."""

    __test__ = False

    cases: tuple[CaseResult, ...]
    seconds: float
    junit: Path | None = None

    @property
    def ok(self) -> bool:
        """True when something ran and nothing failed."""
        return bool(self.cases) and not any(case.error for case in self.cases)


class Change(StrEnum):
    """What ``up`` would do to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDiff:
    """A difference between what is wanted and what is there. text: unified diff of YAML, values of Secrets masked."""

    resource: str
    stack: str
    change: Change
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """Versions for a bug report. release: the tested set in use; components: name -> version."""

    mlstack: str
    release: str = ""
    kubernetes: str = ""
    python: str = ""
    platform: str = ""
    components: Mapping[str, str] = field(default_factory=dict)
