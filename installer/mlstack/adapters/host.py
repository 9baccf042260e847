"""Facts about this host, read from the standard library and /proc only; importable on any system, changes nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from mlstack.core.host import HostInfo, PortUser

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NO_LIMIT = 1 << 60
_LISTEN = "0A"
# Bit numbers of include/uapi/linux/capability.h; the ones a container engine hands to privileged containers.
_CAPABILITY_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)


class LocalHost:
    """HostProbe of the machine this process runs on. root: where its file system begins, changed by tests only."""

    def __init__(self, root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._environment = os.environ if environment is None else environment

    def info(self) -> HostInfo:
        """Gathers every fact; what cannot be read stays at its unknown value."""
        release = self._os_release()
        kernel = self._text("proc/sys/kernel/osrelease").lower()
        return HostInfo(
            system=_system(),
            distribution=release.get("ID", ""),
            family=tuple(release.get("ID_LIKE", "").split()),
            release=release.get("VERSION_ID", ""),
            architecture=_ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower()),
            wsl="microsoft" in kernel or "wsl" in kernel,
            init=self._init(),
            cgroup=self._cgroup(),
            missing_capabilities=self._missing_capabilities(),
            root=hasattr(os, "geteuid") and os.geteuid() == 0,
            cores=_cores(),
            memory=self._memory(),
            inotify_instances=self._number("proc/sys/fs/inotify/max_user_instances"),
            inotify_watches=self._number("proc/sys/fs/inotify/max_user_watches"),
            proxies=tuple(
                name for name in _PROXY_NAMES if self._environment.get(name, self._environment.get(name.lower()))
            ),
        )

    def free_disk(self, path: Path) -> int:
        """Bytes that an unprivileged writer may still use at ``path``, or at its nearest parent that exists."""
        while not path.exists() and path != path.parent:
            path = path.parent
        try:
            return shutil.disk_usage(path).free
        except OSError:
            return 0

    def port_users(self, ports: Iterable[tuple[str, int]]) -> Mapping[int, PortUser]:
        """The wanted (address, port) pairs that cannot be bound now, with who listens there as far as it can be seen."""
        taken = {port: address for address, port in ports if not _bindable(address, port)}
        if not taken:
            return {}
        inodes = self._listening(taken)
        owners = self._owners(set(inodes.values()))
        users = {}
        for port, address in taken.items():
            pid = owners.get(inodes.get(port, ""), 0)
            process = self._text(f"proc/{pid}/comm") if pid else ""
            users[port] = PortUser(port, address, pid, process)
        return users

    def _text(self, path: str) -> str:
        try:
            return (self._root / path).read_text(errors="replace").strip()
        except OSError:
            return ""

    def _number(self, path: str) -> int:
        text = self._text(path)
        return int(text) if text.isdigit() else 0

    def _os_release(self) -> dict[str, str]:
        text = self._text("etc/os-release") or self._text("usr/lib/os-release")
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}

    def _init(self) -> str:
        if _system() == "darwin":
            return "launchd"
        # The directory is systemd's own documented sign (sd_booted); the name of pid 1 lies in containers.
        if (self._root / "run/systemd/system").is_dir():
            return "systemd"
        return "openrc" if (self._root / "run/openrc/softlevel").exists() else ""

    def _cgroup(self) -> int:
        base = self._root / "sys/fs/cgroup"
        if (base / "cgroup.controllers").exists():
            return 2
        # With "hybrid" mounts the controllers are still those of version 1.
        return 1 if (base / "memory").is_dir() or (base / "cpu").is_dir() or (base / "cpu,cpuacct").is_dir() else 0

    def _missing_capabilities(self) -> tuple[str, ...]:
        last = self._text("proc/sys/kernel/cap_last_cap")
        bounding = next(
            (line.split()[1] for line in self._text("proc/self/status").splitlines() if line.startswith("CapBnd:")), ""
        )
        if not last.isdigit() or not bounding:
            return ()
        have = int(bounding, 16)
        known = _CAPABILITY_NAMES.split()[: int(last) + 1]
        return tuple(f"CAP_{name}" for bit, name in enumerate(known) if not have >> bit & 1)

    def _memory(self) -> int:
        for line in self._text("proc/meminfo").splitlines():
            if line.startswith("MemTotal:"):
                total = int(line.split()[1]) * 1024
                limits = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
                return min(total, *(self._number(path) or _NO_LIMIT for path in limits))
        return _sysconf_memory()

    def _listening(self, ports: Mapping[int, str]) -> dict[int, str]:
        found = {}
        for table in ("proc/net/tcp", "proc/net/tcp6"):
            for line in self._text(table).splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[3] == _LISTEN and port in ports:
                    found[port] = fields[9]
        return found

    def _owners(self, inodes: set[str]) -> dict[str, int]:
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        owners: dict[str, int] = {}
        for directory in (self._root / "proc").glob("[0-9]*/fd"):
            with contextlib.suppress(OSError):
                for entry in directory.iterdir():
                    with contextlib.suppress(OSError):
                        inode = wanted.get(str(entry.readlink()))
                        if inode:
                            owners.setdefault(inode, int(directory.parent.name))
        return owners


def _system() -> Literal["linux", "darwin", "windows"]:
    if sys.platform == "darwin":
        return "darwin"
    return "windows" if sys.platform in ("win32", "cygwin") else "linux"


def _cores() -> int:
    # Affinity tells what a container or taskset leaves to us; it does not exist everywhere.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return usable or os.cpu_count() or 1


def _sysconf_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _bindable(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            # Without it a connection of the last minute (TIME_WAIT) would look like a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            pass  # a low port, which the engine will bind as root: see below whether anybody answers
        except OSError:
            return False
        else:
            return True
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) != 0
