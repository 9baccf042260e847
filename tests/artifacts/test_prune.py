"""Pruning frees what nothing needs and nothing else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mlstack.artifacts.prune import prune, trim, usage
from mlstack.artifacts.store import Entry, Store
from mlstack.artifacts.trees import clean_work, holds_mount, remove_tree, tree_size
from mlstack.core.errors import MlstackError
from mlstack.core.model import Paths


def put(store: Store, key: str, kind: str, *contents: bytes) -> Entry:
    blobs = {store.add_bytes(data): len(data) for data in contents}
    entry = Entry(key, kind, next(iter(blobs)), blobs)
    store.put(entry)
    return entry


def test_shared_layers_stay_and_the_rest_goes(store: Store) -> None:
    kept = put(store, "image-a", "image", b"manifest a", b"shared layer", b"config a")
    gone = put(store, "image-b", "image", b"manifest b", b"shared layer", b"config b")
    layer = put(store, "layer", "layer", b"shared layer", b"its tree")
    put(store, "orphan", "layer", b"old layer", b"old tree")
    assert prune(store, ["image-a"], young=0) > 0
    assert store.get("image-a") == kept
    assert store.get("layer") == layer
    assert store.get("image-b") is None and store.get("orphan") is None
    assert not store.blob(gone.digest).exists()
    assert len(list((store.root / "blobs" / "sha256").iterdir())) == 4


def test_young_blobs_of_a_build_beside_us_stay(store: Store) -> None:
    digest = store.add_bytes(b"not recorded yet")
    assert prune(store, []) == 0
    assert store.blob(digest).exists()
    assert prune(store, [], young=0) > 0
    assert not store.blob(digest).exists()


def test_temporary_files_of_dead_processes_go(store: Store) -> None:
    store.add_bytes(b"x")
    dead, mine = store.root / "tmp" / "part.4194300.aabb", store.root / "tmp" / f"part.{os.getpid()}.aabb"
    for path in (dead, mine):
        path.write_bytes(b"half")
    prune(store, [])
    assert mine.exists() and not dead.exists()


def test_trimming_keeps_images_and_drops_build_caches(store: Store, tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "state", tmp_path / "data")
    image = put(store, "image", "image", b"manifest", b"layer")
    put(store, "program", "program", b"a binary")
    module = paths.go / "mod" / "example.com" / "m@v1"
    module.mkdir(parents=True)
    (module / "x.go").write_bytes(b"x" * 10_000)
    (module / "x.go").chmod(0o444)
    module.chmod(0o555)
    (paths.downloads / "go").mkdir(parents=True)
    (paths.downloads / "go" / "a.zip").write_bytes(b"z" * 5000)
    before = usage(paths)
    assert before.go_modules >= 10_000 and before.downloads >= 5000 and before.store > 0
    assert before.total >= 15_000
    freed = trim(paths, store, young=0)
    after = usage(paths)
    assert 0 <= before.total - after.total - freed <= 8192  # the record of the program is not counted
    assert after.go_modules == after.go_build == after.downloads == 0
    assert store.get("image") == image
    assert store.get("program") is None


def test_what_killed_builds_left_is_removed(tmp_path: Path) -> None:
    dead, mine = tmp_path / "go-x.4194300.aabb", tmp_path / f"go-x.{os.getpid()}.aabb"
    for path in (dead, mine):
        (path / "out").mkdir(parents=True)
        (path / "out" / "half").write_bytes(b"x" * 5000)
    assert clean_work(tmp_path) >= 5000
    assert mine.exists() and not dead.exists()


def test_sizes_count_hard_links_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8192)
    os.link(tmp_path / "a", tmp_path / "b")
    assert tree_size(tmp_path) == 8192
    remove_tree(tmp_path / "nothing")


def test_caches_in_use_are_left_alone(store: Store, tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "state", tmp_path / "data")
    paths.go.mkdir(parents=True)
    held, free = threading.Event(), threading.Event()

    def compile_something() -> None:
        with store.lock("compile"):
            held.set()
            free.wait(20)

    compiler = threading.Thread(target=compile_something)
    compiler.start()
    held.wait(10)
    with pytest.raises(MlstackError) as caught:
        trim(paths, store)
    free.set()
    compiler.join()
    assert caught.value.code == "images.busy"
    assert paths.go.is_dir()


def test_a_directory_with_a_mount_in_it_is_never_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    work = tmp_path / "a b"
    (work / "dev").mkdir(parents=True)
    name = str(work).replace(" ", "\\040")
    table.write_text(f"22 1 0:5 / /dev rw - devtmpfs x rw\n23 1 0:5 / {name}/dev rw - devtmpfs x rw\n")
    assert holds_mount(work, table)
    assert not holds_mount(tmp_path / "other", table)
    assert not holds_mount(work)
    assert holds_mount(Path("/"))
    monkeypatch.setattr("mlstack.artifacts.trees.holds_mount", lambda path: True)
    remove_tree(work)
    assert (work / "dev").is_dir()
