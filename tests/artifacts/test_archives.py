"""Zips and tars unpacked for a Debian root: the same bytes each time, only what is wanted; a root without them is as ever."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlstack.artifacts import untar
from mlstack.artifacts.archives import unpack
from mlstack.artifacts.context import ImageContext, root_inputs
from mlstack.core.errors import MlstackError
from mlstack.core.recipe import Archive, DebianRoot, DebianSuite, Image, fingerprint
from mlstack.core.stackfile import Source

RECIPE = Archive(source="app", prefix="app-1.0", to="/opt/app", exclude=["bin/*.bat", "docs"], user=7, group=8)
ROOT = DebianRoot(suites=[DebianSuite(suite="trixie")])


def archive(path: Path, year: int) -> Path:
    files = {"bin/run.sh": 0o755, "bin/run.bat": 0o644, "docs/a/b.md": 0o644, "lib/a.jar": 0o640}
    with zipfile.ZipFile(path, "w") as made:
        for name in sorted(files, reverse=year % 2 == 0):
            info = zipfile.ZipInfo(f"app-1.0/{name}", (year, 1, 1, 0, 0, 0))
            info.external_attr = files[name] << 16
            made.writestr(info, name)
        made.writestr("README", "outside of the prefix")
    return path


def test_an_archive_becomes_the_same_tar_whatever_its_times_and_order(tmp_path: Path) -> None:
    digests = set()
    for year in (2020, 2021):
        work = tmp_path / str(year)
        work.mkdir()
        (tar,) = unpack([(RECIPE, archive(tmp_path / f"{year}.zip", year))], work, lambda: False)
        digests.add(hashlib.sha256(tar.read_bytes()).hexdigest())
        assert [path.name for path in work.iterdir()] == [tar.name]
    assert len(digests) == 1
    with tarfile.open(tar) as found:
        modes = {one.name: (one.mode, one.uid, one.gid, one.mtime) for one in found if one.isfile()}
    assert modes == {"opt/app/bin/run.sh": (0o755, 7, 8, 0), "opt/app/lib/a.jar": (0o644, 7, 8, 0)}


def tarball(path: Path, *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, mode in (("bin/run.sh", 0o755), ("bin/run.bat", 0o644), ("docs/a.md", 0o644), ("lib/a.jar", 0o600)):
            info = tarfile.TarInfo(f"app-1.0/{name}")
            info.mode, info.size, info.mtime, info.uid = mode, len(name), 1_700_000_000, 1000
            made.addfile(info, io.BytesIO(name.encode()))
        for info in extra:
            made.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def test_a_tar_is_unpacked_as_a_zip_is_and_links_are_left_out(tmp_path: Path) -> None:
    link = tarfile.TarInfo("app-1.0/lib/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    (tar,) = unpack([(RECIPE, tarball(tmp_path / "a.tar.gz", link))], tmp_path, lambda: False)
    with tarfile.open(tar) as found:
        modes = {one.name: (one.mode, one.uid, one.gid, one.mtime) for one in found if not one.isdir()}
    assert modes == {"opt/app/bin/run.sh": (0o755, 7, 8, 0), "opt/app/lib/a.jar": (0o644, 7, 8, 0)}


def member(name: str, size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


@pytest.mark.parametrize(
    "name", ["../out", "/etc/out", "app-1.0/../../out", "app-1.0/lib/a.jar"], ids=["up", "root", "through", "twice"]
)
def test_a_tar_that_no_honest_tool_wrote_is_refused(tmp_path: Path, name: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(MlstackError) as caught:
        unpack([(RECIPE, tarball(tmp_path / "a.tar.gz", member(name)))], work, lambda: False)
    assert caught.value.code == "artifact.hostile-archive"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("read", [lambda path: unpack([(RECIPE, path)], path.parent, lambda: False), untar.read_tar])
@pytest.mark.parametrize("cut", [10, 60, -30, "flipped"])
def test_a_tar_that_is_damaged_is_refused(tmp_path: Path, cut: int | str, read: Callable[[Path], object]) -> None:
    path = tarball(tmp_path / "a.tar.gz", member("app-1.0/big", 100_000))
    data = path.read_bytes()
    path.write_bytes(data[:cut] if isinstance(cut, int) else data[:40] + bytes(255 - one for one in data[40:]))
    with pytest.raises(MlstackError) as caught:
        read(path)
    assert caught.value.code == "artifact.hostile-archive"


def test_a_tar_is_read_into_memory_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tarball(tmp_path / "a.tar.gz", member("app-1.0/big", 2000))
    found = untar.read_tar(path)
    assert found["app-1.0/lib/a.jar"] == b"lib/a.jar" and found["app-1.0/big"] == b"x" * 2000
    for most, why in ((1000, "'app-1.0/big' has"), (400, "it announces")):
        monkeypatch.setattr(untar, "MAX_MEMBER", most)
        with pytest.raises(MlstackError) as caught:
            untar.read_tar(path)
        assert caught.value.code == "artifact.hostile-archive" and why in caught.value.why


def test_a_tar_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untar, "MAX_TOTAL", 1000)
    with pytest.raises(MlstackError) as caught:
        unpack([(RECIPE, tarball(tmp_path / "a.tar.gz", member("app-1.0/big", 2000)))], tmp_path, lambda: False)
    assert caught.value.code == "artifact.hostile-archive" and not (tmp_path / "archive-0/big").exists()


def test_a_prefix_that_the_archive_has_not_is_an_error(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"prefix": "app-2.0"})
    with pytest.raises(MlstackError) as caught:
        unpack([(recipe, archive(tmp_path / "a.zip", 2020))], tmp_path, lambda: False)
    assert caught.value.code == "artifact.bad-recipe" and "app-2.0" in caught.value.what


def test_a_root_depends_on_its_archives_and_one_without_is_described_as_ever() -> None:
    with_archives = _with(RECIPE)
    assert "archives" not in ROOT.model_dump() and fingerprint(ROOT) != fingerprint(with_archives)
    image = Image(ref="a.b/c:1", digests={"amd64": f"sha256:{'0' * 64}"})
    sources = {"app": Source(url="https://a.b/app.zip", sha256="1" * 64)}
    assert root_inputs(with_archives, ImageContext(image, Path(), sources)) == [with_archives, "1" * 64]
    with pytest.raises(MlstackError) as caught:
        root_inputs(with_archives, ImageContext(image, Path(), {"ap": sources["app"]}))
    assert "did you mean 'ap'" in caught.value.why


def _with(*archives: Archive) -> DebianRoot:
    return ROOT.model_copy(update={"archives": list(archives)})
