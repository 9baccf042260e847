"""``mlstack doctor``: checks of host, engine, caches and platform with their remedies; ``--fix`` runs the host playbook."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from mlstack.adapters.resolve import addresses
from mlstack.app import observing
from mlstack.app.certs import checks
from mlstack.app.naming import name_checks
from mlstack.app.provider import need
from mlstack.app.reading import status
from mlstack.core.clocks import clock_checks
from mlstack.core.errors import MlstackError
from mlstack.core.model import ClusterState
from mlstack.core.readiness import says_ready
from mlstack.core.results import Check, CheckState, Status

if TYPE_CHECKING:
    from mlstack.app.session import Session


def doctor(session: Session, fix: bool) -> Sequence[Check]:
    """Every check; with ``fix`` those that can be mended are, and checked again."""
    found = _checks(session)
    broken = {check.name for check in found if check.fixable}
    if not fix or not broken:
        return found
    result = session.playbooks.run("host.yml", {}, session.emit, "doctor:fix", cancelled=session.cancelled)
    if not result.ok:
        raise result.error or MlstackError("host.playbook", "the host could not be mended")
    return [
        _mended(check) if check.name in broken and check.state is CheckState.OK else check for check in _checks(session)
    ]


def _mended(check: Check) -> Check:
    return Check(name=check.name, group=check.group, state=CheckState.FIXED, detail=check.detail)


def _checks(session: Session) -> list[Check]:
    return [*_host(session), *_platform(session)]


def _host(session: Session) -> list[Check]:
    cluster = observing.observe_cluster(session)
    if session.config.provider.type == "kind":
        from mlstack.providers.kindpreflight import preflight_checks

        return list(preflight_checks(session.spec, cluster, session.engine, session.host, need(session)))
    problems = session.provider.preflight(session.spec)
    return [
        Check(name=one.code, group="cluster", state=CheckState.FAILED, detail=one.what, remedy=one.remedy)
        for one in problems
    ] or [Check(name="cluster", group="cluster", state=CheckState.OK, detail="the cluster can be used")]


def _platform(session: Session) -> list[Check]:
    try:
        now = status(session)
    except MlstackError as error:
        detail = f"{error.what}{f' ({error.why})' if error.why else ''}"
        return [Check(name="api", group="platform", state=CheckState.FAILED, detail=detail, remedy=error.remedy)]
    if now.cluster is not ClusterState.RUNNING:
        return [_cluster(now)]
    return [_cluster(now), *_stacks(now), *checks(session), *name_checks(session, addresses), *_clocks(session)]


def _clocks(session: Session) -> list[Check]:
    """Host, API server and nodes must agree on the time, or tokens that are good are refused."""
    with closing(session.server()) as server:
        there, here = server.clock(), time.time()
    with observing.reader(session) as kube:
        nodes, leases = (kube.resource(*one) for one in (("v1", "Node"), ("coordination.k8s.io/v1", "Lease")))
        ready = {one["metadata"]["name"] for one in (kube.list(nodes) if nodes else ()) if says_ready(one)}
        found = kube.list(leases, namespace="kube-node-lease") if leases else []
    renewed = {one["metadata"]["name"]: str(one["spec"].get("renewTime") or "") for one in found}
    return clock_checks(here, there, {name: text for name, text in renewed.items() if text and name in ready})


def _cluster(now: Status) -> Check:
    remedies = {
        ClusterState.ABSENT: "run `mlstack up`",
        ClusterState.STOPPED: "run `mlstack start`",
        ClusterState.BROKEN: "run `mlstack up`; where it cannot repair it, `mlstack down` and `mlstack up`",
        ClusterState.FOREIGN: "choose another name with --name",
    }
    if now.cluster is ClusterState.RUNNING:
        return Check(name="cluster", group="platform", state=CheckState.OK, detail=f"Kubernetes {now.kubernetes}")
    state = CheckState.FAILED if now.cluster in (ClusterState.BROKEN, ClusterState.FOREIGN) else CheckState.SKIPPED
    return Check(name="cluster", group="platform", state=state, detail=now.cluster.value, remedy=remedies[now.cluster])


def _stacks(now: Status) -> list[Check]:
    found = []
    for stack in now.stacks:
        broken = [] if stack.healthy else stack.pending  # findings about certificates are checks of their own
        detail = "; ".join(f"{item.resource}: {item.reason}" for item in broken)
        state = CheckState.OK if stack.healthy else CheckState.FAILED
        remedy = "" if stack.healthy else f"look at `mlstack logs {stack.name}`, then run `mlstack up`"
        found.append(
            Check(
                name=stack.name, group="platform", state=state, detail=detail or f"{stack.ready} ready", remedy=remedy
            )
        )
    missing = [
        Check(name=name, group="platform", state=CheckState.FAILED, detail="not installed", remedy="run `mlstack up`")
        for name in now.missing
    ]
    return [*found, *missing]
