"""The record by which an ``up`` tells that nothing has changed: it holds only while nothing has."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from mlstack import __version__
from mlstack.adapters.kube import KubeClient
from mlstack.app import unchanged
from mlstack.app.unchanged import Asked
from mlstack.core.looks import Looks
from mlstack.core.model import ResourceId

ASKED = Asked("", "lab", "", (), "/home/someone")
ENVIRON = {"HOME": "/home/someone", "MLSTACK_PROFILE": "minimal", "EDITOR": "vi"}


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}, "data": data}


@pytest.fixture
def settled(fake, tmp_path):
    """A record of two objects, an absent one, a file, a missing file and a tree; gives it with its surroundings."""
    tree = tmp_path / "data" / "deep"
    tree.mkdir(parents=True)
    (tree / "stack.yaml").write_text("a: 1\n")
    (tmp_path / "mlstack.yaml").write_text("name: lab\n")
    looks = Looks()
    kube = KubeClient(fake.kubeconfig, read=looks.take)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    kube.apply(config_map("one", key="1"))
    kube.apply(config_map("two", key="2"))
    kube.list_metadata(kube.resource("v1", "ConfigMap"), "")
    assert kube.get(ResourceId("Secret", "none", "a")) is None
    kube.server_version()
    record = {
        "until": time.time() + 3600,
        "environ": unchanged.environ_digest(ENVIRON),
        "files": unchanged.versions([str(tmp_path / "mlstack.yaml"), str(tmp_path / "absent")]),
        "trees": unchanged.trees([str(tmp_path / "data")]),
        "kubeconfig": str(fake.kubeconfig),
        "context": "",
        "looks": looks.all(),
        "engine": None,
        "asked": ASKED,
        "told": {},
    }
    (tmp_path / "instances" / "lab").mkdir(parents=True)
    unchanged.write(tmp_path / "instances" / "lab", record)
    return kube


def holds(tmp_path, environ=ENVIRON, asked=ASKED, later=0.0):
    record = unchanged.read(tmp_path, asked)
    return record is not None and unchanged.holds(record, environ, time.time() + later)


def test_it_holds_while_nothing_changes_and_only_its_owner_can_read_it(settled, tmp_path):
    assert holds(tmp_path)
    assert holds(tmp_path, {**ENVIRON, "EDITOR": "emacs"})
    assert (tmp_path / "instances" / "lab" / unchanged.NAME).stat().st_mode & 0o777 == 0o600


def edit(settled, _fake, _tmp_path):
    settled.apply(config_map("one", key="changed"))


def edit_by_hand(settled, _fake, _tmp_path):
    settled.patch(ResourceId("ConfigMap", "two", "a"), {"data": {"key": "by hand"}})


def delete(settled, _fake, _tmp_path):
    settled.delete(ResourceId("ConfigMap", "one", "a"))


def appear(settled, _fake, _tmp_path):
    settled.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "none", "namespace": "a"}})


def break_server(_settled, fake, _tmp_path):
    fake.fault = lambda _handler, _path: "503"


def stop_server(_settled, fake, _tmp_path):
    fake.kubeconfig.write_text(fake.kubeconfig.read_text().replace(str(fake.port), "9"))


def lose_kubeconfig(_settled, fake, _tmp_path):
    fake.kubeconfig.unlink()


def write_file(_settled, _fake, tmp_path):
    (tmp_path / "mlstack.yaml").write_text("name: lob\n")


def swap_file(_settled, _fake, tmp_path):
    path = tmp_path / "mlstack.yaml"
    times = path.stat()
    other = tmp_path / "other"
    other.write_text("name: lob\n")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


def make_file(_settled, _fake, tmp_path):
    (tmp_path / "absent").touch()


def write_tree(_settled, _fake, tmp_path):
    (tmp_path / "data" / "deep" / "stack.yaml").write_text("a: 2\n")


def add_to_tree(_settled, _fake, tmp_path):
    (tmp_path / "data" / "deep" / "more.yaml").touch()


def remove_from_tree(_settled, _fake, tmp_path):
    (tmp_path / "data" / "deep" / "stack.yaml").unlink()


CHANGES = [edit, edit_by_hand, delete, appear, break_server, stop_server, lose_kubeconfig]
INPUTS = [write_file, swap_file, make_file, write_tree, add_to_tree, remove_from_tree]


@pytest.mark.parametrize("change", CHANGES + INPUTS, ids=lambda one: one.__name__)
def test_any_change_and_any_fault_ends_it(settled, fake, tmp_path, change):
    assert holds(tmp_path)
    change(settled, fake, tmp_path)
    assert not holds(tmp_path)


def test_variables_time_and_another_command_line_end_it(settled, tmp_path):
    assert not holds(tmp_path, {**ENVIRON, "MLSTACK_PROFILE": "standard"})
    assert not holds(tmp_path, {**ENVIRON, "KUBECONFIG": "/elsewhere"})
    assert not holds(tmp_path, later=3601)
    assert not holds(tmp_path, later=-60)
    for asked in (
        ASKED._replace(profile="standard"),
        ASKED._replace(cwd="/"),
        ASKED._replace(sets=("a=b",)),
        ASKED._replace(file="x.yaml"),
    ):
        assert unchanged.read(tmp_path, asked) is None


def test_no_record_outlives_a_day(settled, tmp_path):
    record = json.loads((tmp_path / "instances" / "lab" / unchanged.NAME).read_text())
    unchanged.write(tmp_path / "instances" / "lab", {**record, "until": float("inf")})
    assert holds(tmp_path, later=unchanged.LONGEST - 60)
    assert not holds(tmp_path, later=unchanged.LONGEST + 60)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', '{"version": [0, "0"]}'])
def test_a_damaged_or_foreign_record_counts_as_none(settled, tmp_path, text):
    (tmp_path / "instances" / "lab" / unchanged.NAME).write_text(text)
    assert unchanged.read(tmp_path, ASKED) is None


def test_a_record_of_another_version_counts_as_none(settled, tmp_path):
    path = tmp_path / "instances" / "lab" / unchanged.NAME
    record = json.loads(path.read_text())
    assert record["version"] == [unchanged.VERSION, __version__]
    path.write_text(json.dumps({**record, "version": [unchanged.VERSION, "0.0.0"]}))
    assert unchanged.read(tmp_path, ASKED) is None


def test_dropping_it_is_enough(settled, tmp_path):
    unchanged.drop(tmp_path / "instances" / "lab")
    assert list((tmp_path / "instances" / "lab").iterdir()) == []
    unchanged.drop(tmp_path / "instances" / "lab")


def test_the_newest_change_counts_files_and_directories(tmp_path):
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    gone = tmp_path / "tree" / "deep" / "gone"
    gone.touch()
    roots = [str(tmp_path / "tree")]
    before = unchanged.newest([], roots)
    while Path(tmp_path / "clock").write_text("") or (tmp_path / "clock").stat().st_ctime <= before:
        pass  # the clock of this file system has moved on
    gone.unlink()
    assert unchanged.newest([], roots) > before
    assert unchanged.newest([str(tmp_path / "absent")], []) == 0
