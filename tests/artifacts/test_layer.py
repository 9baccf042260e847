"""Layers: the same inputs give the same bytes, nothing below is hidden by accident, standard tools read them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstack.artifacts.deflate import GzipWriter
from mlstack.artifacts.layer import Layer, entries_of, write_layer
from mlstack.artifacts.store import Store
from mlstack.artifacts.tree import LayerEntry, Slice, Tree
from mlstack.core.errors import MlstackError


def unpacked(store: Store, layer: Layer) -> list[tarfile.TarInfo]:
    raw = store.blob(layer.digest).read_bytes()
    data = gzip.decompress(raw) if layer.media_type.endswith("gzip") else raw
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def names(store: Store, layer: Layer) -> list[str]:
    return [member.name for member in unpacked(store, layer)]


@given(st.binary(max_size=3000), st.integers(1, 4), st.integers(1, 700))
@settings(max_examples=40, deadline=None)
def test_gzip_bytes_do_not_depend_on_threads_or_pieces(data: bytes, threads: int, piece: int) -> None:
    def compress(count: int, step: int) -> bytes:
        out: list[bytes] = []
        writer = GzipWriter(out.append, count)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
        writer.close()
        return b"".join(out)

    assert gzip.decompress(compress(threads, piece)) == data
    assert compress(threads, piece) == compress(1, 4096)


def test_gzip_over_several_blocks() -> None:
    data = b"".join(index.to_bytes(4, "big") for index in range(3_000_000))
    out: list[bytes] = []
    writer = GzipWriter(out.append)
    writer.write(data)
    writer.close()
    assert gzip.decompress(b"".join(out)) == data


paths = st.lists(st.sampled_from(["a", "b", "usr", "bin", "x.txt", "é"]), min_size=1, max_size=4).map("/".join)
files = st.dictionaries(paths, st.binary(max_size=50), min_size=1, max_size=8).filter(
    lambda found: not any(other.startswith(f"{path}/") for path in found for other in found)
)


@given(files, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_same_inputs_give_the_same_digest_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, bytes], random: object
) -> None:
    store = Store(tmp_path_factory.mktemp("s"))
    entries = [LayerEntry(path, content=(data,)) for path, data in found.items()]
    first = write_layer(store, entries, Tree())
    random.shuffle(entries)  # type: ignore[attr-defined]
    assert write_layer(store, entries, Tree()) == first
    members = {member.name: member for member in unpacked(store, first)}
    assert {name for name, member in members.items() if member.isreg()} == set(found)
    assert all(member.mtime == 0 and member.uid == 0 and member.uname == "" for member in members.values())


def test_content_may_come_from_parts(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"0123456789")
    parts = (b"<", Slice(file, 2, 3), file, b">")
    layer = write_layer(store, [LayerEntry("f", content=parts)], Tree(), compress=False)
    with tarfile.open(store.blob(layer.digest)) as archive:
        member = archive.extractfile("f")
        assert member and member.read() == b"<2340123456789>"


MERGED = [
    LayerEntry("usr/bin", "dir", 0o755),
    LayerEntry("usr/bin/sh", mode=0o755, content=(b"sh",)),
    LayerEntry("bin", "link", target="usr/bin"),
    LayerEntry("var", "dir", 0o751),
    LayerEntry("var/run", "link", target="/run"),
    LayerEntry("run", "dir", 0o755),
]


def test_a_file_in_a_linked_directory_goes_where_the_link_leads(store: Store) -> None:
    tree = Tree()
    write_layer(store, MERGED, tree)
    upper = write_layer(store, [LayerEntry("bin/tool", content=(b"t",)), LayerEntry("var/run/x", content=(b"",))], tree)
    assert names(store, upper) == ["run/x", "usr/bin/tool"]


def test_directories_of_lower_layers_keep_their_mode(store: Store) -> None:
    tree = Tree()
    write_layer(store, MERGED, tree)
    upper = write_layer(store, [LayerEntry("var/lib/x", content=(b"",))], tree)
    assert names(store, upper) == ["var/lib", "var/lib/x"]


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([LayerEntry("usr/bin", content=(b"",))], "hidden"),
        ([LayerEntry("usr/bin", "link", target="/x")], "hidden"),
        ([LayerEntry("usr/bin/sh", "dir", 0o755)], "hidden"),
        ([LayerEntry("usr/bin/sh/x", content=(b"",))], "is a file"),
        ([LayerEntry("x", content=(b"1",)), LayerEntry("./x", content=(b"2",))], "two entries"),
        ([LayerEntry("bin/y", content=(b"1",)), LayerEntry("usr/bin/y", content=(b"2",))], "two entries"),
    ],
)
def test_what_would_hide_lower_layers_is_refused(store: Store, entries: list[LayerEntry], why: str) -> None:
    tree = Tree()
    write_layer(store, MERGED, tree)
    with pytest.raises(MlstackError) as caught:
        write_layer(store, entries, tree)
    assert caught.value.code == "artifact.layer-conflict"
    assert why in caught.value.why


@pytest.mark.parametrize("path", ["../x", "a/../../x", "", "/", "."])
def test_paths_stay_in_the_image(store: Store, path: str) -> None:
    with pytest.raises(MlstackError, match="not a path inside"):
        write_layer(store, [LayerEntry(path, content=(b"",))], Tree())


def test_link_loops_are_an_error(store: Store) -> None:
    tree = Tree(links={"a": "b", "b": "a"})
    with pytest.raises(MlstackError, match="loop"):
        write_layer(store, [LayerEntry("a/x", content=(b"",))], tree)


def test_a_file_may_be_replaced_and_a_link_too(store: Store) -> None:
    tree = Tree()
    write_layer(store, MERGED, tree)
    upper = write_layer(
        store, [LayerEntry("usr/bin/sh", content=(b"new",)), LayerEntry("etc/x", "link", target="y")], tree
    )
    assert names(store, upper) == ["etc", "etc/x", "usr/bin/sh"]


def test_the_tree_survives_the_store(store: Store) -> None:
    tree = Tree()
    layer = write_layer(store, MERGED, tree)
    assert Tree.from_bytes(store.read_bytes(layer.tree)) == tree


def test_entries_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"1")
    (tmp_path / "d" / "x").chmod(0o775)
    (tmp_path / "l").symlink_to("d/x")
    found = {entry.path: (entry.kind, entry.mode) for entry in entries_of(tmp_path, "/opt")}
    assert found == {"opt/d": ("dir", 0o755), "opt/d/x": ("file", 0o755), "opt/l": ("link", 0o777)}
