"""What the host is: facts that checks judge. Pure data; gathering them is an adapter's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class PortUser:
    """Who listens on a port. pid 0 and an empty process: in use, but by whom this user may not see."""

    port: int
    address: str = ""
    pid: int = 0
    process: str = ""

    def __str__(self) -> str:
        return f"{self.process} (pid {self.pid})" if self.pid else "another process"


@dataclass(frozen=True, slots=True)
class HostInfo:
    """Facts of one host. Zero and empty mean unknown or not applicable there.

    system: ``linux``, ``darwin``, ``windows``; distribution and family: os-release's ID and ID_LIKE (``debian``);
    architecture: as in OCI (``amd64``, ``arm64``); init: ``systemd``, ``launchd``, another init's name, or empty for none;
    cgroup: hierarchy version, 1 or 2; missing_capabilities: those a full root has and this process's bounding set lacks;
    cores: usable by this process; memory: bytes, the smaller of the machine's and its cgroup's limit;
    proxies: names of the proxy variables that are set (never their values, which may hold credentials).
    """

    system: Literal["linux", "darwin", "windows"] = "linux"
    distribution: str = ""
    family: tuple[str, ...] = ()
    release: str = ""
    architecture: str = "amd64"
    wsl: bool = False
    init: str = ""
    cgroup: int = 0
    missing_capabilities: tuple[str, ...] = ()
    root: bool = False
    cores: int = 1
    memory: int = 0
    inotify_instances: int = 0
    inotify_watches: int = 0
    proxies: tuple[str, ...] = ()

    @property
    def debian_like(self) -> bool:
        """True where Debian packages are at home, so that roots can be built with the host's own tools."""
        return "debian" in (self.distribution, *self.family)


class HostProbe(Protocol):
    """Looks at the host; changes nothing; never raises for what it may not read."""

    def info(self) -> HostInfo: ...
    def free_disk(self, path: Path) -> int: ...
    def port_users(self, ports: Iterable[tuple[str, int]]) -> Mapping[int, PortUser]: ...
