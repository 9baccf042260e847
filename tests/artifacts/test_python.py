"""Python packages and wheels with the real pip, from a directory of wheels instead of an index."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from mlstack.adapters.shell import HostShell
from mlstack.artifacts.pythonpkgs import PythonInstaller
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.wheels import Wheels, pip_failed
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.recipe import PythonPackages

SCRIPT = f"#!{sys.executable}\nprint('tool')\n"


def make_wheel(directory: Path, name: str = "tiny", tag: str = "py3-none-any") -> tuple[Path, str]:
    files = {
        f"{name}/__init__.py": "VALUE = 1\n",
        f"{name}/tests/test_x.py": "def test(): pass\n",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:VALUE\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}")
    files[f"{name}-1.0.dist-info/RECORD"] = "\n".join([*lines, f"{name}-1.0.dist-info/RECORD,,"]) + "\n"
    wheel = directory / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as target:
        for path, text in files.items():
            target.writestr(zipfile.ZipInfo(path), text)
    return wheel, hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    directory = tmp_path / "index"
    directory.mkdir()
    return directory


@pytest.fixture
def offline(index: Path) -> HostShell:
    return HostShell({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": "/dev/null"})


def install(base: Path, shell: HostShell, lock: str) -> tuple[list[LayerEntry], dict[str, bytes]]:
    paths = Paths(base / "cache", base / "state", base / "data")
    directory = paths.data / "stacks" / "locks" / "python"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "app.txt").write_text(lock)
    installer = PythonInstaller(shell, paths, "amd64", sys.executable)
    recipe = PythonPackages(lock="app")
    with installer.installed(recipe, lambda _line: None, lambda: False) as entries:
        contents = {
            entry.path: entry.content[0].read_bytes()
            for entry in entries
            if entry.content and isinstance(entry.content[0], Path)
        }
        return list(entries), contents


def test_a_lock_is_installed_without_tests_bytecode_or_this_hosts_interpreter(
    tmp_path: Path, index: Path, offline: HostShell
) -> None:
    _, sha = make_wheel(index)
    lock = f"tiny==1.0 --hash=sha256:{sha}\n"
    _, contents = install(tmp_path, offline, lock)
    assert contents["opt/python/tiny/__init__.py"] == b"VALUE = 1\n"
    assert not [path for path in contents if "tests" in path or path.endswith(".pyc")]
    assert contents["opt/python/bin/tiny-tool"].startswith(b"#!/usr/bin/env python3.11\n")
    assert not [path for path, data in contents.items() if sys.executable.encode() in data]
    (tmp_path / "again").mkdir()
    assert install(tmp_path / "again", offline, lock)[1] == contents


def test_another_hash_is_refused_and_both_are_named(tmp_path: Path, index: Path, offline: HostShell) -> None:
    _, sha = make_wheel(index)
    with pytest.raises(MlstackError) as caught:
        install(tmp_path, offline, f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    assert caught.value.code == "download.hash-mismatch"
    assert sha in caught.value.why and "0" * 64 in caught.value.why


@pytest.mark.parametrize(
    "lock", ["tiny==1.0\n", "other==1.0 --hash=sha256:" + "0" * 64 + "\n"], ids=["no hash", "not there"]
)
def test_what_cannot_be_installed_is_an_error_with_its_log(
    tmp_path: Path, index: Path, offline: HostShell, lock: str
) -> None:
    make_wheel(index)
    with pytest.raises(MlstackError) as caught:
        install(tmp_path, offline, lock)
    assert caught.value.code == "wheel.unavailable"
    assert Path(caught.value.see).is_file()


def test_a_wheel_is_fetched_once_and_verified(tmp_path: Path, index: Path, offline: HostShell) -> None:
    wheel, sha = make_wheel(index)
    wheels = Wheels(offline, tmp_path / "downloads")
    path = wheels.fetch("tiny", "1.0", {"amd64": sha}, "amd64")
    assert path.read_bytes() == wheel.read_bytes()
    wheel.unlink()
    assert wheels.fetch("tiny", "1.0", {"amd64": sha}, "amd64") == path
    path.write_bytes(b"noise")
    with pytest.raises(MlstackError) as caught:
        wheels.fetch("tiny", "1.0", {"amd64": sha}, "amd64")
    assert caught.value.code == "wheel.unavailable"
    with pytest.raises(MlstackError, match="arm64"):
        wheels.fetch("tiny", "1.0", {"amd64": sha}, "arm64")


def test_a_missing_lock_is_named(tmp_path: Path, offline: HostShell) -> None:
    installer = PythonInstaller(offline, Paths(tmp_path, tmp_path, tmp_path), "amd64", sys.executable)
    with pytest.raises(MlstackError, match="'none'"):
        installer.lock_digest(PythonPackages(lock="none"))


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ("No module named pip", "wheel.no-pip"),
        ("OSError: [Errno 28] No space left on device", "disk.full"),
        ("Could not find a version", "wheel.unavailable"),
    ],
)
def test_failures_are_told_apart(errors: str, code: str) -> None:
    assert pip_failed("x", errors).code == code
