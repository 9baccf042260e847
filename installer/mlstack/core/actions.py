"""The closed set of typed actions, the plan made of them and how they ended. Frozen; how to carry them out is the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlstack.core.model import ClusterSpec, Object, ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One typed step of a plan. needs: ids that must be done before; group: a stack's name or ``host``, ``cluster``, ``images``."""

    id: str
    title: str
    group: str
    needs: frozenset[str] = frozenset()
    why: str = ""
    """Why it is in the plan, for ``mlstack plan``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlaybook(Action):
    """Runs a playbook on the host. variables must hold no secret."""

    playbook: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("localhost",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObtainImage(Action):
    """Brings an image into the store."""

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObtainTool(Action):
    """Brings a host program (``kind``) into the store."""

    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCluster(Action):
    """Makes the cluster; ready means that its API answers and its nodes are Ready."""

    spec: ClusterSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCluster(Action):
    """Starts a stopped cluster."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCluster(Action):
    """Stops a running cluster, pods first."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCluster(Action):
    """Deletes the cluster and all that it holds. purge: what its provider keeps for the next one, such as node images, too."""

    instance: str
    purge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadImage(Action):
    """Loads a stored image into the nodes."""

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply(Action):
    """Server-side applies one object. ca_bundle: the instance's CA goes into its webhook, APIService or CRD client settings;
    secrets: those that its pods read, whose state then goes into the pod template."""

    object: Object
    stack: str
    ca_bundle: bool = False
    secrets: tuple[ResourceId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Action):
    """Waits by watch until an object is ready by the rules of its kind, or by ``condition`` (a status condition's type).

    timeout: seconds without any progress of the object before it is an error.
    """

    resource: ResourceId
    condition: str = ""
    timeout: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSecret(Action):
    """Makes a Secret with random values if it is not there; its values are never read back into an event.

    keys: key -> length in characters (letters and digits; >= 22 gives >= 128 bit).
    literals: keys with a fixed, non-secret value (a user name).
    given: keys whose value is read from a reference of the user's; with any, a Secret that is there is made as wanted,
    random values aside. mark: annotation that tells the next plan what was wanted.
    copies: further Secrets that hold the same. renew: keys that get a new random value although one is there.
    """

    namespace: str
    name: str
    stack: str
    keys: Mapping[str, int]
    literals: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""
    copies: tuple[ResourceId, ...] = ()
    renew: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewAuthority(Action):
    """Puts a new CA in the place of the instance's own; what the old one signed must be issued anew."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCertificate(Action):
    """Issues a certificate of the instance's own CA into a TLS Secret. Objects that must trust the CA get it when applied.

    dns_names: IP addresses may be among them; force: also where the one that is there would do.
    """

    namespace: str
    secret: str
    stack: str
    dns_names: tuple[str, ...]
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureBucket(Action):
    """Makes a bucket in the object store that provides ``object-store``, with a user confined to it when ``secret`` is set."""

    bucket: str
    stack: str
    provider: Mapping[str, str]
    """The ``exports`` of the providing stack."""
    secret: ResourceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureDatabase(Action):
    """Makes a database and a user confined to it in the server that provides ``database``; credentials from ``secret``."""

    database: str
    user: str
    stack: str
    provider: Mapping[str, str]
    secret: ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune(Action):
    """Deletes an object that the last inventory owned and the new render has no more."""

    resource: ResourceId
    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Action):
    """Deletes an object of ours (down on a cluster that is not ours to delete). purge: a CRD goes with its objects."""

    resource: ResourceId
    stack: str
    purge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordInventory(Action):
    """Writes a stack's inventory into the cluster: an intent (old and new objects) before anything new is applied, the
    final one when all is done. An inventory of nothing is taken away.

    ensured: ids of buckets, databases and certificates that are there then.
    """

    stack: str
    version: str
    resources: tuple[ResourceId, ...]
    ensured: tuple[str, ...] = ()
    intent: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in a dependency order. unchanged: objects that are as wanted already; notes: what the user should know."""

    instance: str
    command: str
    actions: tuple[Action, ...]
    unchanged: tuple[ResourceId, ...] = ()
    notes: tuple[str, ...] = ()


class Result(StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action. error: ``MlstackError.to_dict()`` when failed; because: the failed id when blocked."""

    action: str
    result: Result
    seconds: float = 0.0
    changed: bool = False
    detail: str = ""
    error: Mapping[str, str] | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """True when every action is done."""
        return not self.interrupted and all(outcome.result is Result.DONE for outcome in self.outcomes)
