"""Module zips: GOPROXY's rules, hashes computed by ourselves, hostile zips."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from modules import publish
from registries import answering, free_port

from mlstack.adapters.download import HttpDownload
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.compose import make_sources
from mlstack.artifacts.goproxy import GoProxy, dirhash, escape, proxy_list, read_sums
from mlstack.artifacts.sources import Sources
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths
from mlstack.core.stackfile import Source

MODULE, VERSION = "example.test/Team/app", "v1.2.3"
FILES = {
    "go.mod": f"module {MODULE}\n",
    "deploy/a.yaml": "a: 1\n",
    "deploy/b.yaml": "b: 2\n",
    "deploy/x/c.yaml": "c: 3\n",
}


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    return tmp_path / "proxy"


@pytest.fixture
def h1(proxy: Path) -> str:
    return publish(proxy, MODULE, VERSION, FILES)[0]


def client(tmp_path: Path, setting: str) -> GoProxy:
    return GoProxy(HttpDownload(timeout=5), HostShell(), tmp_path / "downloads", tmp_path / "mod", setting)


def sources(tmp_path: Path, setting: str) -> Sources:
    paths = Paths(tmp_path / "cache", tmp_path / "state", tmp_path / "data")
    return make_sources(paths, HostShell(), HttpDownload(timeout=5), lambda _text: None, setting)


def test_capitals_are_escaped() -> None:
    assert escape("github.com/Azure/go-SDK") == "github.com/!azure/go-!s!d!k"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", [("https://proxy.golang.org", False), ("direct", False)]),
        ("https://a/,https://b|https://c", [("https://a", False), ("https://b", True), ("https://c", False)]),
        (" off ", [("off", False)]),
    ],
)
def test_lists_are_parsed_as_go_does(setting: str, expected: list[tuple[str, bool]]) -> None:
    assert proxy_list(setting) == expected


def test_our_hash_is_gos_hash(tmp_path: Path) -> None:
    """Against the value in a real go.sum, when the module cache of this host has the zip."""
    for line in read_sums((Path(__file__).parents[2] / "stacks/locks/go/kind/go.sum").read_text()).items():
        name, expected = line
        module, _, version = name.partition("@")
        found = Path.home() / ".cache/mlstack/go/mod/cache/download" / escape(module) / "@v" / f"{escape(version)}.zip"
        if found.is_file():
            assert dirhash(found) == expected


def test_a_module_is_fetched_kept_and_checked_at_each_use(tmp_path: Path, proxy: Path, h1: str) -> None:
    fetch = client(tmp_path, f"file://{proxy}")
    path = fetch.zip(f"{MODULE}@{VERSION}", h1)
    shutil.rmtree(proxy)
    assert fetch.zip(f"{MODULE}@{VERSION}", h1) == path
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MlstackError) as caught:
        fetch.zip(f"{MODULE}@{VERSION}", h1)
    assert caught.value.code == "source.unavailable"


def test_a_wrong_hash_names_both_and_keeps_nothing(tmp_path: Path, proxy: Path, h1: str) -> None:
    wrong = "h1:" + "A" * 43 + "="
    with pytest.raises(MlstackError) as caught:
        client(tmp_path, f"file://{proxy}").zip(f"{MODULE}@{VERSION}", wrong)
    assert caught.value.code == "download.hash-mismatch"
    assert wrong in caught.value.why and h1 in caught.value.why
    assert list((tmp_path / "downloads").rglob("*.zip*")) == []


def test_a_comma_goes_on_only_when_the_module_is_not_there(tmp_path: Path, proxy: Path, h1: str) -> None:
    good = f"file://{proxy}"
    with answering(404) as missing, answering(403) as refusing:
        assert client(tmp_path, f"http://{missing},{good}").zip(f"{MODULE}@{VERSION}", h1)
        shutil.rmtree(tmp_path / "downloads")
        with pytest.raises(MlstackError) as caught:
            client(tmp_path, f"http://{refusing},{good}").zip(f"{MODULE}@{VERSION}", h1)
        assert "403" in caught.value.why
        assert client(tmp_path, f"http://{refusing}|{good}").zip(f"{MODULE}@{VERSION}", h1)


@pytest.mark.parametrize("setting", ["off", "direct"])
def test_no_proxy_is_explained(tmp_path: Path, setting: str) -> None:
    with pytest.raises(MlstackError) as caught:
        client(tmp_path, setting).zip(f"{MODULE}@{VERSION}", "h1:")
    assert caught.value.code == "source.unavailable"
    assert "GOPROXY" in caught.value.remedy


def test_an_unreachable_proxy_is_named(tmp_path: Path) -> None:
    with pytest.raises(MlstackError) as caught:
        client(tmp_path, f"http://user:canary@127.0.0.1:{free_port()}").zip(f"{MODULE}@{VERSION}", "h1:")
    assert "127.0.0.1" in caught.value.why
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("spec", ["m", "m@", "../m@v1", "m@v1/../../x", "m x@v1"])
def test_odd_names_are_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(MlstackError, match="module"):
        client(tmp_path, "off").zip(spec, "h1:")


def test_files_are_read_by_glob(tmp_path: Path, proxy: Path, h1: str) -> None:
    source = Source(go=f"{MODULE}@{VERSION}", h1=h1)
    reader = sources(tmp_path, f"file://{proxy}")
    assert list(reader.read(source, ["deploy/*.yaml"])) == ["deploy/a.yaml", "deploy/b.yaml"]
    assert list(reader.read(source, ["deploy/**/*.yaml"])) == ["deploy/a.yaml", "deploy/b.yaml", "deploy/x/c.yaml"]
    assert reader.read(source, ["deploy/x/c.yaml"]) == {"deploy/x/c.yaml": b"c: 3\n"}
    with pytest.raises(MlstackError) as caught:
        reader.read(source, ["deploy/a.yaml", "deploy/d.yaml"])
    assert caught.value.code == "source.no-match"
    assert "deploy/" in caught.value.why


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_zips_whose_names_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr(name, "x")
    with pytest.raises(MlstackError) as caught:
        dirhash(archive)
    assert caught.value.code == "artifact.hostile-archive"


def test_noise_is_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"\xff" * 100)
    with pytest.raises(MlstackError) as caught:
        dirhash(tmp_path / "x.zip")
    assert caught.value.code == "artifact.hostile-archive"
