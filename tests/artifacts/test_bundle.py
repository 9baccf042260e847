"""Bundles: what is sound is taken, what is damaged or hostile is refused before a byte reaches the store."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import resource
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registries import make_image

from mlstack.artifacts.bundle import Bundles
from mlstack.artifacts.oci import StoredImage, exported
from mlstack.artifacts.store import Store
from mlstack.core.errors import MlstackError

REF = "quay.io/team/app:1"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle: the archive that we export ourselves."""
    base = tmp_path_factory.mktemp("bundle")
    store, digest, _ = make_image(base / "store", b"hello" * 5000)
    target = base / "bundle.tar"
    with exported(store, [StoredImage(REF, digest)]) as path:
        shutil.copyfile(path, target)
    return target


def unpack(archive: Path, to: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(to, filter="data")
    return to


def take(path: Path, store: Store) -> str:
    return Bundles([path], store, "amd64").take(REF, lambda *_: None, lambda: False).digest


def stored(store: Store) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_sound_bundle_is_taken_from_a_tar_and_from_a_directory(archive: Path, store: Store, tmp_path: Path) -> None:
    digest = take(archive, store)
    entry = store.get(Bundles([archive], store, "amd64").key(REF))
    assert entry and entry.digest == digest and entry.data["source"] == "bundle"
    other = Store(tmp_path / "other")
    assert take(unpack(archive, tmp_path / "layout"), other) == digest


def test_an_image_that_is_not_in_it_is_named(archive: Path, store: Store) -> None:
    bundles = Bundles([archive], store, "amd64")
    assert bundles.key("quay.io/team/other:1") == ""
    with pytest.raises(MlstackError, match=r"quay\.io/team/other:1"):
        bundles.take("quay.io/team/other:1", lambda *_: None, lambda: False)


def rewrite(layout: Path, layer: bytes, media: str = "application/vnd.oci.image.layer.v1.tar+gzip") -> None:
    """Puts a layer of our choice into a layout, with all digests right: a hostile author signs his own work."""
    index = json.loads((layout / "index.json").read_text())
    manifest_path = layout / "blobs" / "sha256" / index["manifests"][0]["digest"][7:]
    manifest = json.loads(manifest_path.read_text())
    digest = hashlib.sha256(layer).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(layer)
    manifest["layers"] = [{"mediaType": media, "digest": f"sha256:{digest}", "size": len(layer)}]
    raw = json.dumps(manifest).encode()
    found = hashlib.sha256(raw).hexdigest()
    (layout / "blobs" / "sha256" / found).write_bytes(raw)
    index["manifests"][0] |= {"digest": f"sha256:{found}", "size": len(raw)}
    (layout / "index.json").write_text(json.dumps(index))


def tar_with(*members: tuple[str, bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
    return buffer.getvalue()


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(layout: Path) -> None:
        path = next(iter(layout.glob(name)))
        path.write_bytes(change(path.read_bytes()))

    return apply


def largest(layout: Path) -> Path:
    return max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "layer changed": lambda layout: largest(layout).write_bytes(bytes(largest(layout).stat().st_size)),
    "layer cut": lambda layout: largest(layout).write_bytes(largest(layout).read_bytes()[:-5]),
    "layer missing": lambda layout: largest(layout).unlink(),
    "index is noise": edit("index.json", lambda _: b"\xff\x00"),
    "index is a list": edit("index.json", lambda _: b"[]"),
    "index has no manifests": edit("index.json", lambda _: b"{}"),
    "digest leads out": edit("index.json", lambda raw: raw.replace(b"sha256:", b"sha256:../../../etc/", 1)),
    "layer escapes": lambda layout: rewrite(
        layout, gzip.compress(tar_with(("../../etc/cron.d/x", tarfile.REGTYPE, "")))
    ),
    "layer is absolute": lambda layout: rewrite(
        layout, gzip.compress(tar_with(("/etc/cron.d/x", tarfile.REGTYPE, "")))
    ),
    "hard link escapes": lambda layout: rewrite(
        layout, gzip.compress(tar_with(("x", tarfile.LNKTYPE, "../../etc/shadow")))
    ),
    "layer is no gzip": lambda layout: rewrite(layout, b"not gzip at all"),
    "layer is no tar": lambda layout: rewrite(layout, gzip.compress(b"not a tar" * 200)),
    "layer of unknown type": lambda layout: rewrite(layout, b"x", "application/x-surprise"),
    "blob is a symlink": lambda layout: (
        largest(layout).unlink(),
        (layout / "index.json").rename(layout / "i"),
        (layout / "index.json").symlink_to("i"),
    )[-1],  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layout_is_refused_before_a_byte_reaches_the_store(
    archive: Path, store: Store, tmp_path: Path, name: str
) -> None:
    layout = unpack(archive, tmp_path / "layout")
    HOSTILE[name](layout)
    with pytest.raises(MlstackError) as caught:
        take(layout, store)
    assert caught.value.code.split(".")[0] in ("artifact", "bundle", "download")
    assert stored(store) == []


@pytest.mark.parametrize(
    "member",
    [
        ("../evil", tarfile.REGTYPE, ""),
        ("/etc/evil", tarfile.REGTYPE, ""),
        ("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE, "/etc/shadow"),
        ("blobs/sha256/" + "0" * 64, tarfile.CHRTYPE, ""),
        ("surprise", tarfile.REGTYPE, ""),
    ],
)
def test_a_tar_with_anything_else_in_it_is_refused(
    archive: Path, store: Store, tmp_path: Path, member: tuple[str, bytes, str]
) -> None:
    bad = tmp_path / "bad.tar"
    shutil.copyfile(archive, bad)
    with tarfile.open(bad, "a") as tar:
        info = tarfile.TarInfo(member[0])
        info.type, info.linkname = member[1], member[2]
        tar.addfile(info)
    with pytest.raises(MlstackError) as caught:
        take(bad, store)
    assert caught.value.code == "artifact.hostile-archive"
    assert stored(store) == []


def test_bombs_are_refused_with_little_memory(archive: Path, store: Store, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    zeros = gzip.compress(bytes(16 << 20), 9)
    header = tarfile.TarInfo("big")
    header.size = 3 << 30
    wide = tarfile.TarInfo("./PaxHeaders/x")
    wide.type, wide.size = tarfile.XHDTYPE, 900 << 20
    for number, start in enumerate((header, wide)):
        layout = unpack(archive, tmp_path / f"layout{number}")
        rewrite(layout, gzip.compress(start.tobuf(tarfile.USTAR_FORMAT)) + zeros * 80)
        with pytest.raises(MlstackError) as caught:
            take(layout, store)
        assert caught.value.code == "artifact.hostile-archive"
    assert stored(store) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_compressed_bundle_is_explained(archive: Path, store: Store, tmp_path: Path) -> None:
    packed = tmp_path / "bundle.tar.gz"
    packed.write_bytes(gzip.compress(archive.read_bytes()))
    with pytest.raises(MlstackError, match="cannot be used") as caught:
        take(packed, store)
    assert "compressed" in caught.value.why
    with pytest.raises(MlstackError, match="cannot be used"):
        take(tmp_path / "nowhere.tar", store)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_gives_one_of_our_errors_or_the_same_image(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(archive.read_bytes())
    base = tmp_path_factory.mktemp("fuzz")
    sound = take(archive, Store(base / "sound"))
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    else:
        for _ in range(data.draw(st.integers(1, 20))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (base / "x.tar").write_bytes(raw)
    store = Store(base / "store")
    try:
        assert take(base / "x.tar", store) == sound
    except MlstackError:
        assert stored(store) == []
