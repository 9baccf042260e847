"""Zips unpacked for a Debian root: the same bytes each time, only what is wanted, and never what a root without them was not."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from pathlib import Path

import pytest

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
