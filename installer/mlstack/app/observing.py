"""Gathers the facts a plan is made from: host, cluster, live objects, inventories, store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlstack.core.desired import Facts, HostFacts, LiveObject, RenderedStack, StackInventory
from mlstack.core.errors import MlstackError
from mlstack.core.model import ClusterFacts, ClusterState, ImageSource, ResourceId
from mlstack.core.people import IDENTITY_PROVIDER, Account
from mlstack.core.ports import Kube
from mlstack.core.tls import CertificateFacts
from mlstack.engine.durations import Durations
from mlstack.engine.inventory import read_inventories
from mlstack.engine.journal import FileJournal
from mlstack.engine.observe import observe_held, observe_objects

if TYPE_CHECKING:
    from mlstack.app.session import Session

BUILD_PROGRAMS = ("mmdebstrap", "gcc")
"""Programs of the host that building images needs; the host playbook's package group ``build`` brings them."""


def durations(session: Session) -> Durations:
    """How long steps took before, for all instances: under the cache, since estimates may be lost."""
    return Durations(session.paths.cache / "durations.json")


def journal(session: Session) -> FileJournal:
    """The instance's intent log."""
    return FileJournal(session.directory / "journal.jsonl")


def observe_cluster(session: Session) -> ClusterFacts:
    """What the provider sees of the cluster."""
    return session.provider.observe(session.spec)


@contextmanager
def reader(session: Session) -> Iterator[Kube]:
    """A client for reading. Raises ``cluster.not-running`` where there is nothing to read."""
    facts = observe_cluster(session)
    if facts.state is not ClusterState.RUNNING:
        from mlstack.core.errors import ExitCode

        raise MlstackError(
            "cluster.not-running",
            f"the platform '{session.name}' is {facts.state.value}",
            why=facts.detail,
            remedy="run `mlstack up`" if facts.state is ClusterState.ABSENT else "run `mlstack start`",
            exit_code=ExitCode.NOT_READY,
        )
    kube = session.connect()
    try:
        yield kube
    finally:
        kube.close()


def observe(session: Session, stacks: tuple[RenderedStack, ...], kube: Kube | None, cluster: ClusterFacts) -> Facts:
    """All facts. kube: None while no API answers."""
    live: dict[ResourceId, LiveObject] = {}
    inventories: dict[str, StackInventory] = {}
    held: Mapping[ResourceId, Sequence[str]] = {}
    certificates: dict[ResourceId, CertificateFacts] = {}
    if kube is not None:
        inventories = read_inventories(kube, session.name)
        live = observe_objects(kube, session.name, stacks, inventories)
        held = observe_held(kube, stacks, inventories) if stacks else {}
        certificates = observed_certificates(session, stacks, kube)
    images = session.artifacts.images if session.abilities.loads_images else None
    accounts = _accounts(stacks, kube) if kube is not None else None
    names = {ref for ref in session.artifacts.contexts if images.cached(ref)} if images else set()
    tools = {tool.name for tool in session.node.spec.tools if images and images.cached_tool(tool.name)}
    return Facts(
        host=host_facts(session, frozenset(names | tools)),
        cluster=cluster,
        live=live,
        inventory=inventories,
        cached=frozenset(names | tools),
        estimates=durations(session).estimates(),
        given=session.given.hashes(
            {one for stack in stacks for secret in stack.secrets for one in secret.given.values()}
        ),
        half_made=cluster.half_made,
        accounts=accounts,
        certificates=certificates,
        now=time.time(),
        held=held,
    )


def _accounts(stacks: tuple[RenderedStack, ...], kube: Kube) -> dict[str, Account] | None:
    """The users that are there, by name; None while no stack keeps any, or does not yet."""
    exports = next((one.exports[IDENTITY_PROVIDER] for one in stacks if one.users), None)
    if exports is None:
        return None
    from mlstack.adapters.users import open_users

    try:
        return {account.user.name: account for account in open_users(kube, exports).list()}
    except MlstackError as error:
        if error.code != "users.store-failed":
            raise
        return None


def observed_certificates(
    session: Session, stacks: tuple[RenderedStack, ...], kube: Kube
) -> dict[ResourceId, CertificateFacts]:
    """What the stacks' certificates say; nothing is loaded where no stack has one."""
    if not any(stack.certificates for stack in stacks):
        return {}
    from mlstack.adapters.certificates import OwnAuthority
    from mlstack.engine.handle_certificates import observe_certificates

    return observe_certificates(kube, session.name, stacks, OwnAuthority())


def host_facts(session: Session, cached: frozenset[str]) -> HostFacts:
    """What the host has. Only a host that lacks something is looked at by the playbook, which takes seconds."""
    if session.config.provider.type != "kind":
        return HostFacts(engine="not needed")
    try:
        version = session.engine.version()
    except MlstackError as error:
        if error.code != "engine.unreachable":
            raise
        version = ""
    if version and not _lacks_build_programs(session, cached):
        return HostFacts(engine=version, engine_installed=True)
    return HostFacts(engine=version, engine_installed=bool(shutil.which("dockerd")), changes=_changes(session))


def _lacks_build_programs(session: Session, cached: frozenset[str]) -> bool:
    if all(shutil.which(program) for program in BUILD_PROGRAMS):
        return False
    missing = [ref for ref in session.artifacts.contexts if ref not in cached]
    return any(session.images.source_of(ref)[0] is ImageSource.BUILD for ref in missing)


def _changes(session: Session) -> tuple[str, ...]:
    """What the host playbook would change, in its own words."""
    result = session.playbooks.run("host.yml", {}, session.emit, "host:look", check=True, cancelled=session.cancelled)
    if not result.ok:
        raise result.error or MlstackError("host.playbook", "the host could not be looked at")
    return result.changes
