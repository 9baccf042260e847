"""The store: whole or absent, verified on read, one builder a key, clear errors when the disk fails."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from mlstack.artifacts import store as module
from mlstack.artifacts.store import Entry, Store
from mlstack.core.errors import MlstackError


def put(store: Store, key: str, data: bytes) -> Entry:
    digest = store.add_bytes(data)
    entry = Entry(key, "layer", digest, {digest: len(data)}, {"a": 1}, 2.5)
    store.put(entry)
    return entry


def test_an_entry_is_read_back_as_it_was_put(store: Store) -> None:
    entry = put(store, "k", b"content")
    assert store.get("k") == entry == store.peek("k")
    assert entry.size == 7
    assert store.get("other") is None


def test_files_are_private(store: Store) -> None:
    entry = put(store, "k", b"content")
    assert store.blob(entry.digest).stat().st_mode & 0o777 == 0o600
    assert store.root.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("noise", [b"", b"contenT", b"content and more"], ids=["cut", "flipped", "longer"])
def test_a_damaged_blob_is_dropped_with_a_warning(store: Store, warnings: list[str], noise: bytes) -> None:
    entry = put(store, "k", b"content")
    assert store.get("k")
    store.blob(entry.digest).write_bytes(noise)
    assert store.get("k") is None
    assert "dropped" in warnings[0]
    put(store, "k", b"content")
    assert store.get("k") == entry


@pytest.mark.parametrize("noise", [b"", b"\x00\xff\xfe", b"{}", b"[]", b"abc\n{}\n", b"null\n"])
def test_a_damaged_record_is_dropped_with_a_warning(store: Store, warnings: list[str], noise: bytes) -> None:
    put(store, "k", b"content")
    (store.root / "index" / "k.json").write_bytes(noise)
    assert store.get("k") is None
    assert len(warnings) == 1


def test_every_cut_of_a_record_is_noticed(store: Store) -> None:
    put(store, "k", b"content")
    path = store.root / "index" / "k.json"
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        assert store.get("k") is None, length


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_failing_disk_is_one_clear_error_and_nothing_half_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(MlstackError) as caught:
        store.add_bytes(b"content")
    assert caught.value.code in ("disk.full", "disk.failed", "disk.read-only")
    assert str(store.root) in caught.value.what
    assert caught.value.remedy
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_an_error_in_the_block_leaves_no_blob(store: Store) -> None:
    with pytest.raises(KeyError), store.new_blob() as writer:
        writer.write(b"half")
        raise KeyError
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "digest", ["", "md5:00", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "0" * 63]
)
def test_a_digest_never_becomes_another_path(store: Store, digest: str) -> None:
    with pytest.raises(MlstackError, match="digest"):
        store.blob(digest)


def _count(root: str, tally: str) -> None:
    store = Store(Path(root))
    with store.lock("k"):
        if store.get("k") is None:
            with Path(tally).open("a") as file:
                file.write("x")
            put(store, "k", b"content")


def test_two_processes_do_not_build_the_same_twice(store: Store, tmp_path: Path) -> None:
    tally = tmp_path / "tally"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(str(store.root), str(tally))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert tally.read_text() == "x"


def test_waiting_for_a_lock_ends_with_the_cancel(store: Store) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with store.lock("k"):
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    with pytest.raises(MlstackError) as caught, store.lock("k", lambda: True):
        pass
    free.set()
    holder.join()
    assert caught.value.code == "run.interrupted"
