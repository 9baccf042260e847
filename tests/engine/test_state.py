"""Files and Secrets that keep state: journal, durations, inventory; cut, overwritten, unwritable."""

from __future__ import annotations

import base64
import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlstack.core.desired import InventoryEntry, StackInventory
from mlstack.core.errors import MlstackError
from mlstack.core.model import ResourceId
from mlstack.core.plan_base import applyset_id
from mlstack.engine.durations import Durations
from mlstack.engine.inventory import _decode, _encode
from mlstack.engine.journal import FileJournal


def written(path):
    journal = FileJournal(path)
    journal.begin("r1", "up", "p")
    journal.record("cluster:create", "start")
    journal.record("cluster:create", "done")
    journal.record("image:x", "start", {"note": "n"})
    journal.record("apply:y", "start", durable=False)
    return journal


def test_an_unfinished_run_is_told_with_what_was_open(tmp_path):
    journal = written(tmp_path / "journal")
    told = FileJournal(tmp_path / "journal").unfinished()
    assert (told["run"], told["command"], told["open"], told["done"]) == (
        "r1",
        "up",
        ("image:x", "apply:y"),
        ("cluster:create",),
    )
    journal.end("failed")
    assert FileJournal(tmp_path / "journal").unfinished() is None
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_no_journal_means_nothing_unfinished(tmp_path):
    assert FileJournal(tmp_path / "none").unfinished() is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 600), noise=st.binary(max_size=40))
def test_a_cut_or_noisy_tail_is_dropped(tmp_path, cut, noise):
    path = tmp_path / "journal"
    written(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: min(cut, len(raw))] + noise.replace(b"\n", b""))
    told = FileJournal(path).unfinished()
    assert told is None or told["command"] == "up"


def test_noise_in_the_middle_is_refused_with_a_remedy(tmp_path):
    path = tmp_path / "journal"
    written(path)
    lines = path.read_bytes().split(b"\n")
    for damaged in ([*lines[:1], b"\x00noise", *lines[2:]], [b"x", *lines[1:]], lines[1:]):
        path.write_bytes(b"\n".join(damaged))
        with pytest.raises(MlstackError) as caught:
            FileJournal(path).unfinished()
        assert caught.value.code == "journal.damaged" and str(path) in caught.value.remedy


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "fdatasync"])
def test_a_failing_disk_is_told_and_leaves_a_readable_journal(tmp_path, monkeypatch, fault, call):
    path = tmp_path / "journal"
    written(path).end("ok")
    journal = FileJournal(path)
    if call == "fdatasync":
        journal.begin("r2", "up", "p")

    def fail(*_arguments):
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(MlstackError) as caught:
            journal.begin("r3", "up", "p") if call != "fdatasync" else journal.record("a", "start")
    assert (
        caught.value.code == "journal.write"
        and os.strerror(fault) in caught.value.why
        and str(path) in caught.value.what
    )
    told = FileJournal(path).unfinished()
    assert told is None or told["run"] == "r2"


def test_durations_are_a_running_mean_and_survive_noise(tmp_path):
    path = tmp_path / "durations.json"
    durations = Durations(path)
    durations.add("cluster:create", 30.0)
    durations.add("apply:tiny", 0.01)
    durations.save()
    again = Durations(path)
    assert again.estimates() == {"cluster:create": 30.0}
    again.add("cluster:create", 40.0)
    again.save()
    assert Durations(path).estimates() == {"cluster:create": 35.0}
    for noise in ("", "[1]", '{"a": "x"}', "\x00"):
        path.write_text(noise)
        assert Durations(path).estimates() == {}


def test_durations_survive_a_full_disk(tmp_path, monkeypatch):
    durations = Durations(tmp_path / "durations.json")
    durations.add("a", 1.0)

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "open", full)
    durations.save()
    assert not (tmp_path / "durations.json").exists()


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
ENTRIES = st.builds(
    InventoryEntry,
    st.builds(ResourceId, NAMES, NAMES, NAMES, st.sampled_from(["v1", "apps/v1", "g.example/v1"])),
    NAMES,
    NAMES,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ENTRIES, max_size=60), st.lists(NAMES, max_size=3))
def test_an_inventory_is_read_back_as_written(entries, ensured):
    inventory = StackInventory("s", "1", tuple(entries), tuple(ensured))
    secret = _encode("i", "n", inventory)
    assert _decode(secret) == inventory
    assert secret["metadata"]["labels"]["applyset.kubernetes.io/id"] == applyset_id("i", "s")


@pytest.mark.parametrize(
    "data", [{}, {"inventory.json": "x"}, {"inventory.json": "e30="}, {"inventory.json.gz": "AAAA"}, None]
)
def test_a_damaged_inventory_is_refused_with_a_remedy(data):
    with pytest.raises(MlstackError) as caught:
        _decode({"metadata": {"name": "n"}, "data": data})
    assert caught.value.code == "inventory.damaged" and "kubectl" in caught.value.remedy


def test_a_large_inventory_is_small_in_the_cluster():
    entries = tuple(
        InventoryEntry(ResourceId("ConfigMap", f"c{number}", "ns"), "f" * 32, "o" * 32) for number in range(2000)
    )
    secret = _encode("i", "n", StackInventory("s", "1", entries))
    assert sum(len(base64.b64decode(value)) for value in secret["data"].values()) < 100_000
