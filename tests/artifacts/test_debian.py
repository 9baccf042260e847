"""Debian parts: which mirror, what a root keeps, recipes checked, errors told apart; a package's files by the real apt."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from mlstack.adapters.shell import HostShell
from mlstack.artifacts.aptsources import AptSource, host_sources, mirror_of, parse_deb822, parse_one_line, source_lines
from mlstack.artifacts.debian import Debian
from mlstack.artifacts.rootfs import matcher, root_entries
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry
from mlstack.artifacts.wheels import host_architecture
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.recipe import DebFiles, DebianRoot, DebianSuite

ONE_LINE = """
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian/ bookworm main contrib
deb-src http://m.example/debian bookworm main
deb http://m.example/debian-security bookworm-security main
deb https://other.example/apt stable main
"""
DEB822 = """Types: deb deb-src
# a comment in between
URIs: http://n.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/x.gpg

Types: deb
URIs: http://off.example/debian
Suites: sid
Enabled: no

Types: deb
URIs: http://n.example/debian-security
Suites: trixie-security
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
"""


def test_one_line_sources() -> None:
    found = parse_one_line(ONE_LINE)
    assert [(each.uri, each.suites, each.signed_by) for each in found] == [
        ("http://m.example/debian", ("bookworm",), "/k.gpg"),
        ("http://m.example/debian-security", ("bookworm-security",), ""),
        ("https://other.example/apt", ("stable",), ""),
    ]


def test_deb822_sources() -> None:
    assert [(each.uri, each.suites) for each in parse_deb822(DEB822)] == [
        ("http://n.example/debian", ("trixie", "trixie-updates")),
        ("http://n.example/debian-security", ("trixie-security",)),
    ]


@pytest.mark.parametrize(
    ("suite", "mirror", "expected"),
    [
        ("bookworm", "", "http://m.example/debian"),
        ("bookworm-security", "", "http://m.example/debian-security"),
        ("sid", "", "http://m.example/debian"),
        ("trixie-security", "", "http://m.example/debian-security"),
        ("sid", "http://own.example/d", "http://own.example/d"),
    ],
)
def test_the_hosts_mirror_is_used(suite: str, mirror: str, expected: str) -> None:
    assert mirror_of(DebianSuite(suite=suite, mirror=mirror), parse_one_line(ONE_LINE)) == expected


def test_debians_own_mirror_is_the_default() -> None:
    foreign = [AptSource("http://archive.ubuntu.com/ubuntu", ("noble",))]
    assert mirror_of(DebianSuite(suite="sid"), foreign) == "http://deb.debian.org/debian"
    assert mirror_of(DebianSuite(suite="trixie-security"), []) == "http://deb.debian.org/debian-security"


def test_lines_never_switch_signatures_off() -> None:
    suites = [
        DebianSuite(suite="sid", check_valid_until=False),
        DebianSuite(suite="trixie", components=["main", "contrib"]),
    ]
    lines = source_lines(suites, [], "amd64")
    assert "check-valid-until=no" in lines[0] and "check-valid-until" not in lines[1]
    assert lines[1].endswith("trixie main contrib")
    assert not any("trusted" in line or "allow-" in line for line in lines)


def test_hosts_without_apt_have_no_sources(tmp_path: Path) -> None:
    assert host_sources(tmp_path) == []


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        ("/usr/share/doc/*", "usr/share/doc/x", True),
        ("/usr/share/doc/*", "usr/share/doc/x/y", True),
        ("/usr/share/doc/*", "usr/share/doc", False),
        ("/etc/systemd/system/*.wants/*", "etc/systemd/system/a.wants/b.service", True),
        ("/etc/systemd/system/*.wants/*", "etc/systemd/system/a.wants", False),
        ("/usr/share/perl*", "usr/share/perl5/x/y.pm", True),
        ("**/tests", "sklearn/x/tests/test_a.py", True),
        ("**/tests", "sklearn/x/testsuite.py", False),
        ("/a?c", "abc", True),
        ("/a.c", "abc", False),
    ],
)
def test_globs(pattern: str, path: str, hit: bool) -> None:
    assert bool(matcher([pattern]).fullmatch(path)) == hit


def make_tar(path: Path, members: list[tuple[str, bytes, bytes | str, int]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, content, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.uname = kind, mode, 1_700_000_000, "root"
            if isinstance(content, str):
                info.linkname = content
            else:
                info.size = len(content)
            if name.endswith("ping"):
                info.pax_headers = {"SCHILY.xattr.security.capability": "caps"}
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def test_a_root_loses_what_depends_on_when_and_where_it_was_made(tmp_path: Path) -> None:
    tar = make_tar(
        tmp_path / "root.tar",
        [
            ("./", tarfile.DIRTYPE, "", 0o755),
            ("./usr/bin", tarfile.DIRTYPE, "", 0o755),
            ("./usr/bin/ping", tarfile.REGTYPE, b"ping", 0o4755),
            ("./usr/bin/ping4", tarfile.LNKTYPE, "./usr/bin/ping", 0o755),
            ("./bin", tarfile.SYMTYPE, "usr/bin", 0o777),
            ("./.hidden", tarfile.REGTYPE, b"kept", 0o600),
            ("./dev/null", tarfile.CHRTYPE, "", 0o666),
            ("./etc/machine-id", tarfile.REGTYPE, b"0123456789abcdef\n", 0o444),
            ("./etc/resolv.conf", tarfile.REGTYPE, b"nameserver x", 0o644),
            ("./etc/apt/sources.list", tarfile.REGTYPE, b"deb http://mirror", 0o644),
            ("./etc/passwd-", tarfile.REGTYPE, b"old", 0o644),
            ("./var/log", tarfile.DIRTYPE, "", 0o755),
            ("./var/log/apt", tarfile.DIRTYPE, "", 0o755),
            ("./var/log/dpkg.log", tarfile.REGTYPE, b"2026", 0o644),
            ("./usr/lib/x/system-systemd\\x2dcryptsetup.slice", tarfile.REGTYPE, b"", 0o644),
            ("./usr/share/doc/x/copyright", tarfile.REGTYPE, b"c", 0o644),
        ],
    )
    found = {entry.path: entry for entry in root_entries(tar, ["/usr/share/doc/*"])}
    assert set(found) == {
        "usr/bin",
        "usr/bin/ping",
        "usr/bin/ping4",
        "bin",
        ".hidden",
        "etc/machine-id",
        "var/log",
        "var/log/apt",
        "usr/lib/x/system-systemd\\x2dcryptsetup.slice",
    }
    assert found["usr/bin/ping"].mode == 0o4755
    assert found["usr/bin/ping"].xattrs == (("security.capability", "caps"),)
    assert (found["usr/bin/ping4"].kind, found["usr/bin/ping4"].target) == ("hard", "usr/bin/ping")
    assert found["etc/machine-id"].content == ()


def test_a_root_that_leads_out_is_refused(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "root.tar", [("../x", tarfile.REGTYPE, b"", 0o644)])
    with pytest.raises(MlstackError) as caught:
        list(root_entries(tar))
    assert caught.value.code == "artifact.hostile-archive"


class NoTools(HostShell):
    """A host without Debian's tools."""

    def which(self, program: str) -> Path | None:
        return None


def debian(tmp_path: Path, shell: HostShell) -> Debian:
    paths = Paths(tmp_path / "cache", tmp_path / "state", tmp_path / "data")
    return Debian(shell, Store(paths.store), paths, host_architecture())


def entries(maker: Debian, recipe: DebianRoot | DebFiles) -> list[LayerEntry]:
    opened = maker.root if isinstance(recipe, DebianRoot) else maker.files
    with opened(recipe, lambda _line: None, lambda: False) as found:  # type: ignore[operator]
        return list(found)


SUITE = DebianSuite(suite="bookworm")


def test_a_host_without_mmdebstrap_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        entries(debian(tmp_path, NoTools()), DebianRoot(suites=[SUITE]))
    assert caught.value.code == "debian.no-mmdebstrap"
    assert "mlstack doctor --fix" in caught.value.remedy and "registry or bundle" in caught.value.remedy


@pytest.mark.parametrize("package", ["a b", "-o=x", "a,b", "$(x)", ""])
def test_package_names_are_checked(tmp_path: Path, package: str) -> None:
    for recipe in (DebianRoot(suites=[SUITE], packages=[package]), DebFiles(package=package, suite=SUITE, files={})):
        with pytest.raises(MlstackError) as caught:
            entries(debian(tmp_path, HostShell()), recipe)
        assert caught.value.code == "debian.bad-package"


def test_a_failing_tool_shows_its_last_lines_and_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'E: no such suite' >&2\nexit 25\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(MlstackError) as caught:
        entries(debian(tmp_path, HostShell()), DebianRoot(suites=[SUITE]))
    assert caught.value.code == "debian.build-failed"
    assert "no such suite" in caught.value.why
    assert "no such suite" in Path(caught.value.see).read_text()
    assert not list((tmp_path / "cache" / "work").iterdir())


def reachable() -> bool:
    """True on a Debian host whose mirror answers; in CI it must."""
    if os.environ.get("CI") == "true":
        return True
    shell = HostShell()
    if not shell.which("apt-get"):
        return False
    return shell.run(["apt-get", "download", "--print-uris", "hostname"], timeout=20).code == 0


def test_files_of_a_package_come_from_the_signed_archive(tmp_path: Path) -> None:
    """One real package, of the suite with the smallest index."""
    if not reachable():
        pytest.skip("no apt here")
    maker = debian(tmp_path, HostShell())
    recipe = DebFiles(
        package="openssl", suite=DebianSuite(suite="bookworm-security"), files={"usr/bin/openssl": "/pause"}
    )
    with maker.files(recipe, lambda _line: None, lambda: False) as found:
        (entry,) = found
        (path,) = entry.content
        assert isinstance(path, Path)
        assert (entry.path, entry.mode) == ("/pause", 0o755)
        assert path.read_bytes()[:4] == b"\x7fELF"
    with pytest.raises(MlstackError) as caught:
        entries(maker, recipe.model_copy(update={"files": {"usr/bin/nothing": "/x"}}))
    assert caught.value.code == "debian.no-file"
