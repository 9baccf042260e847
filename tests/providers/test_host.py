"""Facts of a host, read from a made-up file system and from the real one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mlstack.adapters.host import LocalHost

FULL = "000001ffffffffff"
NO_RESOURCE = f"{int(FULL, 16) & ~(1 << 24):016x}"


def write(root: Path, files: dict[str, str]) -> LocalHost:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalHost(root, {})


def test_a_plain_debian_host(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    host = write(
        tmp_path,
        {
            "etc/os-release": 'ID=ubuntu\nID_LIKE="debian"\nVERSION_ID="24.04"\n# note\n',
            "proc/sys/kernel/osrelease": "6.8.0-generic\n",
            "proc/sys/kernel/cap_last_cap": "40\n",
            "proc/self/status": f"Name:\tx\nCapBnd:\t{FULL}\n",
            "proc/meminfo": "MemTotal:       16384000 kB\n",
            "proc/sys/fs/inotify/max_user_instances": "128\n",
            "proc/sys/fs/inotify/max_user_watches": "8192\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "sys/fs/cgroup/memory.max": "max",
        },
    )
    info = host.info()
    assert (info.distribution, info.family, info.release, info.debian_like) == ("ubuntu", ("debian",), "24.04", True)
    assert (info.init, info.cgroup, info.wsl) == ("systemd", 2, False)
    assert info.missing_capabilities == ()
    assert info.memory == 16384000 * 1024
    assert (info.inotify_instances, info.inotify_watches) == (128, 8192)


def test_a_container_without_init_on_cgroup_one(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup/memory").mkdir(parents=True)
    host = write(
        tmp_path,
        {
            "proc/sys/kernel/cap_last_cap": "40",
            "proc/self/status": f"CapBnd:\t{NO_RESOURCE}\n",
            "proc/meminfo": "MemTotal: 16384000 kB\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824",
        },
    )
    info = host.info()
    assert info.missing_capabilities == ("CAP_SYS_RESOURCE",)
    assert (info.init, info.cgroup, info.memory) == ("", 1, 1 << 30)


@pytest.mark.parametrize(
    ("kernel", "wsl"),
    [("5.15.153.1-microsoft-standard-WSL2", True), ("6.1.0-18-amd64", False)],
)
def test_wsl_is_told_by_its_kernel(tmp_path: Path, kernel: str, wsl: bool) -> None:
    assert write(tmp_path, {"proc/sys/kernel/osrelease": kernel}).info().wsl is wsl


def test_an_empty_file_system_gives_unknown_values_and_no_error(tmp_path: Path) -> None:
    info = LocalHost(tmp_path, {}).info()
    assert (info.distribution, info.cgroup, info.init, info.missing_capabilities) == ("", 0, "", ())
    assert info.cores >= 1
    assert not info.debian_like


def test_proxy_names_are_told_but_never_their_values() -> None:
    host = LocalHost(environment={"https_proxy": "http://user:secret@proxy:3128", "NO_PROXY": "x"})
    info = host.info()
    assert info.proxies == ("HTTPS_PROXY", "NO_PROXY")
    assert "secret" not in repr(info)


def test_free_disk_of_a_place_that_is_not_there_yet(tmp_path: Path) -> None:
    assert LocalHost().free_disk(tmp_path / "not" / "yet") == pytest.approx(LocalHost().free_disk(tmp_path), rel=0.1)


def test_a_taken_port_names_who_listens() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            free = other.getsockname()[1]
        users = LocalHost().port_users([("127.0.0.1", taken), ("127.0.0.1", free)])
    assert set(users) == {taken}
    if Path("/proc/net/tcp").exists():
        assert users[taken].pid == os.getpid()
        assert f"(pid {os.getpid()})" in str(users[taken])
