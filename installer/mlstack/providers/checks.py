"""Host and engine checks: each judges facts and returns a finding with its remedy. Pure; gathering facts is done elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstack.core.disk import human
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.host import HostInfo, PortUser
from mlstack.core.results import Check, CheckState

FIX_TAGS = {"inotify": "kernel", "engine": "engine", "capabilities": "engine"}
"""Check name -> tag of the host playbook that mends it."""
INOTIFY_INSTANCES, INOTIFY_WATCHES = 512, 65536
"""A node's systemd, containerd and kubelet fail below these (too many open files)."""
_GIB = 1 << 30
# What the operating system and the engine keep for themselves when a budget is compared with the machine's size.
_SLACK = 0.92


@dataclass(frozen=True, slots=True)
class Need:
    """What must be free. disk: bytes by place, computed from what is not cached yet; memory: bytes of one node;
    cores: of one node; profiles: (memory, cores, name) of every profile there is."""

    disk: Mapping[Path, int] = field(default_factory=dict)
    memory: int = 0
    cores: int = 0
    profiles: Sequence[tuple[int, int, str]] = ()


def check_engine(version: str, error: MlstackError | None = None) -> Check:
    """The engine answers and is new enough."""
    if error is not None:
        detail = ": ".join(part for part in (error.what, error.why) if part)
        return _check("engine", "engine", CheckState.FAILED, detail, error.remedy)
    return _check("engine", "engine", CheckState.OK, f"Docker {version}")


def check_capabilities(host: HostInfo, info: Mapping[str, Any]) -> Check:
    """Privileged containers can be given all they ask for, or the engine has the runtime wrapper that does without."""
    missing = host.missing_capabilities
    if not missing:
        return _check("capabilities", "engine", CheckState.OK, "root has every capability")
    words = f"root lacks {', '.join(missing)} here"
    if not host.root or "mlstack" in str(info.get("DefaultRuntime", "")):
        return _check("capabilities", "engine", CheckState.OK, f"{words}; the engine's runtime wrapper leaves them out")
    return _check(
        "capabilities",
        "engine",
        CheckState.FAILED,
        f"{words}, so privileged containers do not start",
        "run `mlstack doctor --fix`: it makes a wrapper the engine's default runtime that asks only for what there is",
    )


def check_cgroup(info: Mapping[str, Any]) -> Check:
    """The control group version of the engine's host; version 1 works with a kubelet setting that is made by itself."""
    version = str(info.get("CgroupVersion", ""))
    if version == "1":
        detail = "control groups version 1: nodes are told to accept it and use the cgroupfs driver (ADR 6)"
        return _check("cgroup", "host", CheckState.WARNING, detail, "boot the host with version 2 when you can")
    return _check("cgroup", "host", CheckState.OK, f"control groups version {version or 'unknown'}")


def check_init(host: HostInfo) -> Check:
    """Something starts the engine after a reboot."""
    if host.init or host.system != "linux":
        return _check("init", "host", CheckState.OK, host.init or "the engine's own virtual machine")
    detail = "no init system: mlstack starts the engine itself and remembers how"
    return _check("init", "host", CheckState.WARNING, detail, "after a reboot run `mlstack start`")


def check_inotify(host: HostInfo) -> Check:
    """The limits of file watchers, which all containers of a host share."""
    if host.system != "linux" or not host.inotify_instances:
        return _check("inotify", "host", CheckState.SKIPPED, "not a limit of this host")
    detail = f"{host.inotify_instances} instances, {host.inotify_watches} watches"
    if host.inotify_instances >= INOTIFY_INSTANCES and host.inotify_watches >= INOTIFY_WATCHES:
        return _check("inotify", "host", CheckState.OK, detail)
    remedy = (
        f"run `mlstack doctor --fix`, or: sysctl -w fs.inotify.max_user_instances={INOTIFY_INSTANCES} "
        f"fs.inotify.max_user_watches={INOTIFY_WATCHES}"
    )
    return _check("inotify", "host", CheckState.WARNING, f"{detail}: pods may fail with 'too many open files'", remedy)


def check_disk(need: Mapping[Path, int], free: Mapping[Path, int]) -> list[Check]:
    """Each place has the room it needs. Places of one file system must be given together by the caller."""
    checks = []
    for place, wanted in need.items():
        there = free.get(place, 0)
        detail = f"{human(there)} free at {place}, {human(wanted)} needed"
        if there >= wanted:
            checks.append(_check("disk", "host", CheckState.OK, detail))
        else:
            remedy = f"free {human(wanted - there)} there (`mlstack images prune`), or set paths.cache to another disk"
            checks.append(_check("disk", "host", CheckState.FAILED, detail, remedy))
    return checks


def check_memory(need: Need, info: Mapping[str, Any], host: HostInfo) -> Check:
    """The engine's host has the memory a node needs; a virtual machine's engine counts its own."""
    total, _ = _has(info, host)
    detail = f"{human(total)} of memory, {human(need.memory)} needed"
    if total >= need.memory * _SLACK:
        return _check("memory", "host", CheckState.OK, detail)
    return _check("memory", "host", CheckState.FAILED, detail, f"{_larger(host)}, or {_smaller(need, info, host)}")


def check_cores(need: Need, info: Mapping[str, Any], host: HostInfo) -> Check:
    """The engine's host has the cores a node needs."""
    _, cores = _has(info, host)
    detail = f"{cores} cores, {need.cores} needed"
    if cores >= need.cores:
        return _check("cores", "host", CheckState.OK, detail)
    return _check("cores", "host", CheckState.FAILED, detail, f"{_larger(host)}, or {_smaller(need, info, host)}")


def _has(info: Mapping[str, Any], host: HostInfo) -> tuple[int, int]:
    """(bytes of memory, cores) that nodes may use."""
    return int(info.get("MemTotal", 0)) or host.memory, int(info.get("NCPU", 0)) or host.cores


def _smaller(need: Need, info: Mapping[str, Any], host: HostInfo) -> str:
    """The largest profile that fits this host, as something to do."""
    total, cores = _has(info, host)
    fitting = [one for one in need.profiles if total >= one[0] * _SLACK and cores >= one[1]]
    if not fitting:
        return (
            "switch stacks off: the smallest profile needs more as well"
            if need.profiles
            else "choose a smaller profile"
        )
    memory, _, name = max(fitting, key=lambda one: one[0])
    return f"choose profile {name}, which needs {human(memory)}: mlstack up --profile {name}"


def check_ports(wanted: Mapping[int, str], taken: Mapping[int, PortUser]) -> list[Check]:
    """Each host port is free. wanted: port -> the endpoint's name."""
    checks = []
    for port, name in wanted.items():
        user = taken.get(port)
        if user is None:
            checks.append(_check("port", "host", CheckState.OK, f"port {port} ({name}) is free"))
            continue
        detail = f"port {port} ({name}) is taken by {user}"
        remedy = f"end that program, or set provider.kind.ports.{name} to another port or to auto"
        checks.append(_check("port", "host", CheckState.FAILED, detail, remedy))
    return checks


def check_proxies(host: HostInfo) -> Check:
    """Proxy variables reach the nodes; NO_PROXY must not be forgotten with them."""
    if not host.proxies:
        return _check("proxy", "host", CheckState.OK, "no proxy is set")
    if {"HTTP_PROXY", "HTTPS_PROXY"} & set(host.proxies) and "NO_PROXY" not in host.proxies:
        detail = f"{', '.join(host.proxies)} set without NO_PROXY: local addresses may be sent to the proxy"
        return _check("proxy", "host", CheckState.WARNING, detail, "set NO_PROXY=127.0.0.1,localhost,10.0.0.0/8")
    return _check("proxy", "host", CheckState.OK, f"set: {', '.join(host.proxies)}")


def check_sources(host: HostInfo) -> Check:
    """Which sources of images this host can use: building wants a Debian-like Linux, the others only an engine."""
    where = _platform(host)
    if host.system == "linux" and host.debian_like:
        return _check("sources", "artifacts", CheckState.OK, f"{where}: registry, bundle and build")
    detail = f"{where}: images from a registry or a bundle work, building them from packages does not (no Debian tools)"
    remedy = "leave artifacts.source at auto with a registry in reach, or use a bundle made on a Debian or Ubuntu host"
    return _check("sources", "artifacts", CheckState.WARNING, detail, remedy)


def check_name(state_detail: str, foreign: bool) -> Check:
    """No cluster of somebody else has our name."""
    if not foreign:
        return _check("cluster-name", "cluster", CheckState.OK, "the name is free or ours")
    remedy = "choose another name with --name, or delete that cluster with the tool that made it"
    return _check("cluster-name", "cluster", CheckState.FAILED, state_detail, remedy)


def as_errors(checks: Iterable[Check]) -> Sequence[MlstackError]:
    """The failed findings as preflight errors (exit code 3), codes ``preflight.<name>``."""
    return [
        MlstackError(
            f"preflight.{check.name}",
            check.detail.partition("\n")[0],
            remedy=check.remedy,
            exit_code=ExitCode.PREFLIGHT,
        )
        for check in checks
        if check.state is CheckState.FAILED
    ]


def _platform(host: HostInfo) -> str:
    if host.wsl:
        return f"WSL2 ({host.distribution or 'Linux'})"
    if host.system != "linux":
        return {"darwin": "macOS", "windows": "Windows"}[host.system]
    return " ".join(part for part in (host.distribution or "Linux", host.release) if part)


def _larger(host: HostInfo) -> str:
    if host.system != "linux" or host.wsl:
        return "give the engine's virtual machine more (Docker Desktop: Settings, Resources; WSL2: .wslconfig)"
    return "use a larger machine"


def _check(name: str, group: str, state: CheckState, detail: str, remedy: str = "") -> Check:
    fixable = name in FIX_TAGS and state in (CheckState.FAILED, CheckState.WARNING)
    return Check(name=name, group=group, state=state, detail=detail, remedy=remedy, fixable=fixable)
