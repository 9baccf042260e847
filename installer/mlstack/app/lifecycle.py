"""Up, down, start, stop, plan: observe, plan, agree, run. The engine does the work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlstack.app import choices, observing, unchanged
from mlstack.app.clearing import clear, forget_traces, others, unmade
from mlstack.app.identity import issuer_problems
from mlstack.app.naming import tell_unresolved
from mlstack.app.published import published_problems
from mlstack.app.settling import look_at_engine, settle
from mlstack.app.target import VOLUMES, wanted
from mlstack.core.actions import Plan, Report, RunPlaybook
from mlstack.core.desired import Facts
from mlstack.core.errors import ExitCode, MlstackError, Problems
from mlstack.core.events import Message
from mlstack.core.model import ClusterFacts, ClusterState
from mlstack.core.plan import HostEnd, plan_down, plan_start, plan_stop, plan_up
from mlstack.core.ports import Kube
from mlstack.engine.access import ClusterAccess
from mlstack.engine.context import Ports
from mlstack.engine.lock import HostLock, identity
from mlstack.engine.run import Runner

if TYPE_CHECKING:
    from mlstack.app.session import Session

Confirm = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True)
class End:
    """How much ``down`` takes away. purge: the data and node images too; undo_host: what was changed on the host too."""

    purge: bool = False
    undo_host: bool = False


def make_plan(
    session: Session, command: str, kube: Kube | None, cluster: ClusterFacts, end: End = End()
) -> tuple[Plan, Facts]:
    """The plan of a command with the facts it was made from."""
    stacks = session.stacks if command in ("up", "start") else ()
    facts = observing.observe(session, stacks, kube, cluster)
    if command == "up":
        return plan_up(wanted(session), facts, session.abilities), facts
    if command == "start":
        return plan_start(session.name, facts, session.stacks), facts
    if command == "stop":
        return plan_stop(session.name, facts), facts
    return plan_down(session.name, facts, session.abilities, purge=end.purge, host=_host_end(session, end)), facts


def show_plan(session: Session, command: str) -> Plan:
    """What a command would do; changes nothing."""
    cluster = observing.observe_cluster(session)
    kube = session.connect() if cluster.state is ClusterState.RUNNING else None
    try:
        plan = make_plan(session, command, kube, cluster)[0]
        refused = published_problems(session) if command == "up" and plan.actions else []
        return replace(plan, notes=(*plan.notes, *(f"up refuses: {one.what} ({one.why})" for one in refused)))
    finally:
        if kube is not None:
            kube.close()


def carry_out(session: Session, command: str, confirm: Confirm, host_changes: bool, end: End = End()) -> Report:
    """Runs a command under the instance's lock. Raises ``lock.held``, preflight Problems and what planning raises."""
    with _writing(session, command) as (access, lost):
        _tell_unfinished(session, command)
        engine = look_at_engine(session) if command == "up" else None
        cluster = observing.observe_cluster(session)
        # with the Lease, so that nobody changes what the plan is made from
        kube = access.writer() if cluster.state is ClusterState.RUNNING else None
        plan, facts = make_plan(session, command, kube, cluster, end)
        if command == "up":
            _preflight(session, plan, facts)
            _agree(plan, facts, confirm, host_changes)
            if plan.actions:
                tell_unresolved(session)
            _remember(session, cluster)
            session.settled = settle(session, facts, engine) if not plan.actions else None
        report = _runner(session, access, facts, lost).run(plan)
        session.seen = facts if report.ok and not plan.actions else None
        return report


def run_plan(session: Session, command: str, plan: Plan, facts: Facts) -> Report:
    """Carries out a ready-made plan under the instance's lock. Raises ``lock.held``.

    A name under which there is no platform, as images can be built for, is no instance afterwards either.
    """
    with _writing(session, command) as (access, lost):
        try:
            return _runner(session, access, facts, lost).run(plan)
        finally:
            if unmade(session.directory):
                forget_traces(session.directory)


@contextmanager
def changing(session: Session, command: str) -> Iterator[Session]:
    """The session under the instance's lock, for a command that first writes down what it then brings about: one that is
    refused has written nothing. Raises ``lock.held``."""
    with _locked(session, command):
        yield replace(session, locked=True)


def _locked(session: Session, command: str) -> AbstractContextManager[object]:
    """The instance's lock on this host, unless the command that this is part of holds it."""
    return nullcontext() if session.locked else HostLock(session.directory, command)


@contextmanager
def _writing(session: Session, command: str) -> Iterator[tuple[ClusterAccess, threading.Event]]:
    """The instance's host lock and its way to the cluster; the event is set once another writer took the Lease."""
    lost = threading.Event()
    with _locked(session, command):
        unchanged.drop(session.directory)
        access = ClusterAccess(session.connect, session.name, identity(session.directory, command), lost.set)
        try:
            yield access, lost
        finally:
            access.close()


def down(session: Session, purge: bool, undo_host: bool) -> Report:
    """Takes the instance away. Raises ``down.host-in-use`` when the host cannot be undone for another instance's sake."""
    using = others(session)
    if undo_host and using:
        raise MlstackError(
            "down.host-in-use",
            "the changes to the host cannot be undone yet",
            why=f"other instances use it: {', '.join(using)}",
            remedy=f"run `mlstack down --name {using[0]}` first, or leave out --undo-host",
            exit_code=ExitCode.PREFLIGHT,
        )
    report = carry_out(session, "down", lambda _changes: True, host_changes=False, end=End(purge, undo_host))
    if report.ok:
        if not purge:
            session.choices.forget_ports()
        clear(session, keep=() if purge else (VOLUMES, choices.FILE))
    return report


def _host_end(session: Session, end: End) -> HostEnd:
    """What becomes of the host: an engine that mlstack started as root ends with the last instance."""
    if end.undo_host:
        return HostEnd.UNDO
    last = end.purge and session.abilities.makes_cluster and not others(session)
    ours = session.config.host.changes and session.host.info().root
    return HostEnd.STOP_ENGINE if last and ours else HostEnd.KEEP


def _runner(session: Session, access: ClusterAccess, facts: Facts, lost: threading.Event) -> Runner:
    from mlstack.adapters.certificates import OwnAuthority
    from mlstack.adapters.database import PodDatabase
    from mlstack.adapters.objectstore import MinioStore
    from mlstack.adapters.sessions import open_sessions
    from mlstack.adapters.users import open_users

    return Runner(
        spec=session.spec,
        access=access,
        ports=Ports(
            images=session.images,
            provider=session.provider,
            playbooks=session.playbooks,
            object_store=MinioStore,
            database=PodDatabase,
            certificates=OwnAuthority(),
            users=open_users,
            sessions=open_sessions,
            given=session.given.read,
        ),
        journal=observing.journal(session),
        durations=observing.durations(session),
        emit=session.emit,
        cancelled=lambda: lost.is_set() or session.cancelled(),
        inventories=facts.inventory,
    )


def _tell_unfinished(session: Session, command: str) -> None:
    """Says that an earlier run was cut off, for the user to know why there is work to do."""
    unfinished = observing.journal(session).unfinished()
    if unfinished:
        session.emit(Message(text=f"an earlier '{unfinished['command']}' was cut off; '{command}' goes on from there"))


def _preflight(session: Session, plan: Plan, facts: Facts) -> None:
    """Everything that stands in the way of making or starting the cluster, at once, before anything is changed."""
    if facts.cluster.state is ClusterState.RUNNING or any(isinstance(action, RunPlaybook) for action in plan.actions):
        problems = [one for one in session.provider.preflight(session.spec) if _counts(one, facts)]
    else:
        problems = list(session.provider.preflight(session.spec))
    if plan.actions:
        problems += [*issuer_problems(session), *published_problems(session)]
    if problems:
        what = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise Problems("preflight.failed", f"{what} found before anything was changed", problems, ExitCode.PREFLIGHT)


def _counts(problem: MlstackError, facts: Facts) -> bool:
    """Whether a finding matters: what the host playbook is about to mend does not, nor does the room for a cluster that runs."""
    if facts.cluster.state is ClusterState.RUNNING:
        return problem.code not in ("preflight.memory", "preflight.cores", "preflight.disk", "preflight.port")
    return problem.code not in ("preflight.engine", "preflight.capabilities", "preflight.inotify")


def _agree(plan: Plan, facts: Facts, confirm: Confirm, host_changes: bool) -> None:
    """Asks before the host is changed. Raises ``host.changes-refused``."""
    if not any(isinstance(action, RunPlaybook) for action in plan.actions):
        return
    changes = facts.host.changes or ("start the container engine",)
    if not host_changes or not confirm(changes):
        raise MlstackError(
            "host.changes-refused",
            "the host must be prepared first, and that was not agreed to",
            why="; ".join(changes),
            remedy="agree with --yes, or make these changes yourself and run the command again",
            exit_code=ExitCode.PREFLIGHT,
        )


def _remember(session: Session, cluster: ClusterFacts) -> None:
    """Keeps a profile given for this call, or the next command would take the default one for what is wanted, and the ports of
    a cluster that is about to be made; one that is there keeps those it has."""
    if session.resolved.origin_of(("profile",)).kind in ("flag", "env"):
        session.choices.keep(profile=session.config.profile)
    if cluster.state is ClusterState.ABSENT and session.abilities.makes_cluster:
        session.choices.write(ports={mapping.name: mapping.host_port for mapping in session.spec.ports})
