"""Which checks the kind provider makes before it changes anything: gathers the facts and hands them to the checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlstack.core.errors import MlstackError
from mlstack.core.host import HostProbe
from mlstack.core.model import ClusterFacts, ClusterSpec, ClusterState
from mlstack.core.ports import Engine
from mlstack.core.results import Check
from mlstack.providers import checks
from mlstack.providers.checks import Need


def preflight_checks(
    spec: ClusterSpec, facts: ClusterFacts, engine: Engine, host: HostProbe, need: Need
) -> list[Check]:
    """Every check that applies to this cluster in its present state; doctor shows all of them, preflight the failed ones."""
    findings, info = _engine_checks(engine, host)
    about = host.info()
    findings += [
        checks.check_init(about),
        checks.check_inotify(about),
        checks.check_proxies(about),
        checks.check_sources(about),
        checks.check_name(facts.detail, facts.state is ClusterState.FOREIGN),
    ]
    findings += checks.check_disk(need.disk, {place: host.free_disk(Path(place)) for place in need.disk})
    if need.memory:
        findings.append(checks.check_memory(need, info, about))
    if need.cores:
        findings.append(checks.check_cores(need, info, about))
    # A cluster of ours that runs, or that a killed run left half made, holds its ports itself.
    if facts.state in (ClusterState.ABSENT, ClusterState.STOPPED):
        wanted = {port.host_port: port.name for port in spec.ports}
        taken = host.port_users([(port.address, port.host_port) for port in spec.ports])
        findings += checks.check_ports(wanted, taken)
    return findings


def _engine_checks(engine: Engine, host: HostProbe) -> tuple[list[Check], Mapping[str, Any]]:
    try:
        version, info = engine.version(), engine.info()
    except MlstackError as error:
        return [checks.check_engine("", error)], {}
    return [
        checks.check_engine(version),
        checks.check_capabilities(host.info(), info),
        checks.check_cgroup(info),
    ], info
