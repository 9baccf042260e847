"""Faults: a troubled API server (R3), one that is killed (R4), a process killed at any journal write (R1, R2), two at once (R8)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakeapi import FakeApi, random_faults
from sampleobjects import config, deployment, ns, platform
from world import INSTANCE, World, stack

from mlstack.adapters.kube import KubeClient
from mlstack.adapters.kube_http import Patience
from mlstack.core.errors import MlstackError
from mlstack.core.model import SYSTEM_NAMESPACE, ResourceId
from mlstack.core.stackfile import SecretSpec
from mlstack.engine.access import ClusterAccess
from mlstack.engine.lock import ClusterLease, HostLock

KEYS = SecretSpec(name="keys", keys={"secretkey": 40})


def many(value="1"):
    configs = [config(f"c{number}", "app", a=value) for number in range(20)]
    return (
        *platform(value)[:1],
        stack("app", ns("app"), *configs, deployment("web", "app"), secrets=(KEYS,), requires=("base",)),
    )


def content(fake):
    """The end state that has to be the same whatever happened on the way; random values and versions aside."""
    volatile = {"uid", "resourceVersion", "managedFields", "generation"}
    state = {}
    for key, obj in fake.objects.items():
        if key[1] == "leases" or "inventory" in key[3]:
            continue
        metadata = {part: value for part, value in obj["metadata"].items() if part not in volatile}
        metadata.get("annotations", {}).pop("mlstack.dev/request", None)
        body = {
            part: value
            for part, value in obj.items()
            if part not in ("metadata", "status", "data" if key[1] == "secrets" else "")
        }
        state[key] = json.dumps({**body, "metadata": metadata}, sort_keys=True)
    return state


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_troubled_server_ends_in_the_same_state_or_one_clear_error(tmp_path, rate, seed):
    calm, troubled = FakeApi(make(tmp_path / "a")), FakeApi(make(tmp_path / "b"))
    try:
        World(calm.kubeconfig, tmp_path / "sa").up(*many())
        troubled.fault = random_faults(random.Random(seed), rate)
        try:
            _plan, report = World(troubled.kubeconfig, tmp_path / "sb").up(*many())
            errors = [outcome.error for outcome in report.outcomes if outcome.error]
            assert report.ok or (len(errors) == 1 and errors[0]["code"].startswith("kube.")), errors
        except MlstackError as error:
            assert error.code.startswith("kube.") and error.remedy
            report = None
        assert max(troubled.creates.values()) == 1, "something was created twice"
        if report is None or not report.ok:
            troubled.fault = lambda _handler, _path: ""
            assert World(troubled.kubeconfig, tmp_path / "sb").up(*many())[1].ok
        assert content(troubled) == content(calm)
    finally:
        calm.stop()
        troubled.stop()


def make(path):
    path.mkdir()
    return path


ONE = {
    "429": "429",
    "500": "500",
    "503": "503",
    "reset": "reset",
    "late-reset": "late-reset",
    "stall": "stall",
    "truncated": "truncated",
}


@pytest.mark.parametrize("kind", ONE)
def test_a_create_whose_answer_was_lost_is_not_made_twice(fake, tmp_path, kind):
    world = World(fake.kubeconfig, tmp_path / "state")
    world.up(stack("app", ns("app")))
    client, struck = world.client(), []

    def fault(handler, _path):
        if handler.command == "POST" and not struck:
            struck.append(1)
            return kind
        return ""

    fake.fault = fault
    created = client.create(config("once", "app"))
    assert struck and created["metadata"]["uid"] == fake.find("ConfigMap", "once", "app")["metadata"]["uid"]
    assert fake.creates[("v1", "configmaps", "app", "once")] == 1
    with pytest.raises(MlstackError) as caught:
        client.create(config("once", "app"))
    assert caught.value.code == "kube.conflict"


def test_retry_after_is_honoured(fake, tmp_path):
    times = []

    def fault(_handler, _path):
        times.append(time.monotonic())
        return "429" if len(times) == 1 else ""

    fake.fault, fake.retry_after = fault, "1"
    assert World(fake.kubeconfig, tmp_path / "state").client().server_version() == "1.36.3"
    assert len(times) == 2 and times[1] - times[0] >= 1.0


def test_a_watch_that_is_too_old_or_cut_is_begun_anew(fake, world):
    fake.ready_after, struck = 0.3, []

    def fault(_handler, path):
        if "watch=1" in path and len(struck) < 3:
            struck.append(path)
            return "gone" if len(struck) % 2 else "truncated"
        return ""

    fake.fault = fault
    assert world.up(stack("app", ns("app"), deployment("web", "app")))[1].ok
    assert len(struck) >= 2


def test_a_server_killed_during_the_run_is_waited_for(fake, world):
    fake.ready_after = 0.1
    applied = threading.Event()

    def fault(_handler, path):
        if "configmaps" in path:
            applied.set()
        return ""

    def kill_and_restart():
        applied.wait(10)
        fake.stop()
        time.sleep(1.0)
        fake.start()

    fake.fault = fault
    thread = threading.Thread(target=kill_and_restart)
    thread.start()
    _plan, report = world.up(*many())
    thread.join()
    assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
    assert max(fake.creates.values()) == 1


def test_a_server_that_never_answers_is_one_clear_error_soon(tmp_path):
    (tmp_path / "kubeconfig").write_text(
        "current-context: c\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c}}]\n"
    )
    began = time.monotonic()
    with pytest.raises(MlstackError) as caught:
        KubeClient(tmp_path / "kubeconfig", patience=Patience(first=1.0)).server_version()
    assert (
        caught.value.code == "kube.unreachable" and "127.0.0.1:9" in caught.value.what and "refused" in caught.value.why
    )
    assert time.monotonic() - began < 3


def test_a_server_that_goes_away_for_good_is_one_clear_error(fake, world):
    world.patience = replace(world.patience, later=1.5)

    def fault(handler, path):
        return "reset" if handler.command == "PATCH" and "configmaps" in path else ""

    fake.fault = fault
    _plan, report = world.up(*many())
    errors = [outcome.error for outcome in report.outcomes if outcome.error]
    assert {error["code"] for error in errors} == {"kube.unreachable"}
    fake.fault = lambda _handler, _path: ""
    assert world.up(*many())[1].ok


CHILD = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    left = int(sys.argv[1])
    write = os.write

    def counting(handle, data):
        global left
        if left == 0:
            write(handle, data[: len(data) // 2])  # a torn write, then death
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return write(handle, data)

    os.write = counting
    from test_faults import many
    from world import World
    world = World(Path(sys.argv[2]), Path(sys.argv[3]))
    _plan, report = world.up(*many("2"))
    sys.exit(0 if report.ok else 1)
    """
)


@pytest.mark.slow
def test_a_process_killed_at_any_journal_write_leaves_a_state_that_resumes(tmp_path):
    from mlstack.engine.journal import FileJournal

    calm = FakeApi(make(tmp_path / "calm"))
    World(calm.kubeconfig, tmp_path / "calm-state").up(*many("2"))
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(here=str(Path(__file__).parent)))
    writes = len((tmp_path / "calm-state" / "journal").read_bytes().splitlines())
    for kill_at in (0, writes // 2, writes - 1):
        fake = FakeApi(make(tmp_path / f"k{kill_at}"))
        state = tmp_path / f"s{kill_at}"
        try:
            done = subprocess.run(
                [sys.executable, str(script), str(kill_at), str(fake.kubeconfig), str(state)], timeout=60
            )
            assert done.returncode == -signal.SIGKILL
            open_run = FileJournal(state / "journal").unfinished()
            assert kill_at == 0 or (open_run is not None and open_run["command"] == "up")
            _plan, report = World(fake.kubeconfig, state).up(*many("2"))
            assert report.ok, [outcome.error for outcome in report.outcomes if outcome.error]
            assert FileJournal(state / "journal").unfinished() is None
            assert content(fake) == content(calm)
            assert not [key for key in fake.objects if key[1] == "leases"]
        finally:
            fake.stop()
    calm.stop()


def test_a_server_that_just_came_back_may_refuse_everybody_for_a_while(fake, world):
    """A restarted API server answers before it has read its roles."""
    down, calls = ["reset"] * 3 + ["403"] * 6, []

    def fault(_handler, path):
        calls.append(path)
        return down.pop(0) if "configmaps" in path and down else ""

    fake.fault = fault
    assert world.up(stack("app", ns("app"), config("c", "app", a="1")))[1].ok
    assert not down


def test_a_refusal_without_an_outage_before_it_is_final_at_once(fake, world):
    asked = []

    def fault(handler, path):
        refused = handler.command == "PATCH" and "configmaps" in path
        asked.extend([path] if refused else [])
        return "403" if refused else ""

    fake.fault = fault
    _plan, report = world.up(stack("app", ns("app"), config("c", "app", a="1")))
    assert [outcome.error["code"] for outcome in report.outcomes if outcome.error] == ["kube.forbidden"]
    assert len(asked) == 1


def test_two_writers_on_one_host_one_names_the_other(tmp_path):
    with HostLock(tmp_path, "up"), pytest.raises(MlstackError) as caught, HostLock(tmp_path, "down"):
        pass
    assert caught.value.code == "lock.held"
    assert f"process {os.getpid()}" in caught.value.why and "mlstack up" in caught.value.why
    with HostLock(tmp_path, "down"):
        pass


def test_a_directory_that_was_only_locked_goes_with_the_lock(tmp_path):
    directory = tmp_path / "instances" / "lab"
    with HostLock(directory, "up"):
        assert directory.exists()
    assert list(tmp_path.iterdir()) == []
    with HostLock(directory, "up"):
        (directory / "journal.jsonl").write_text("{}")
    assert sorted(path.name for path in directory.iterdir()) == ["journal.jsonl", "lock"]


def test_whoever_waits_for_a_lock_that_is_taken_away_never_shares_it(tmp_path):
    """Threads come and go; a file that is unlinked under a waiter must not count as locked."""
    directory, inside, most, refused = tmp_path / "lab", [0], [0], []

    def work():
        for _ in range(50):
            try:
                with HostLock(directory, "up"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except MlstackError as error:
                refused.append(error.code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and set(refused) <= {"lock.held"}


def test_many_writers_on_one_cluster_exactly_one_wins(fake, world):
    world.up(stack("app", ns("app")))
    results = []

    def contend(number):
        access = ClusterAccess(world.client, INSTANCE, f"host{number}/state/1:up")
        try:
            access.writer()
            results.append(("won", number, access))
        except MlstackError as error:
            results.append((error.code, error.why, None))

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [result for result in results if result[0] == "won"]
    assert len(won) == 1 and len(results) == 8
    assert all(code == "lock.held" and f"host{won[0][1]}" in why for code, why, _ in results if code != "won")
    won[0][2].close()


def lease_of(holder, renewed, duration=30):
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": duration, "acquireTime": renewed}
    metadata = {"name": f"mlstack-{INSTANCE}", "namespace": SYSTEM_NAMESPACE, "uid": "old", "resourceVersion": "1"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("holder", "renewed", "taken"),
    [
        ("here/state/99:up", "2099-01-01T00:00:00.000000Z", True),
        ("there/state/99:up", "2001-01-01T00:00:00.000000Z", True),
        ("there/state/99:up", "nonsense", True),
        ("there/state/99:up", "2099-01-01T00:00:00.000000Z", False),
    ],
    ids=["killed on this host", "expired", "noise", "alive elsewhere"],
)
def test_a_lease_left_behind_is_taken_over(fake, world, holder, renewed, taken):
    world.up(stack("app", ns("app")))
    with fake.lock:
        key = ("coordination.k8s.io/v1", "leases", SYSTEM_NAMESPACE, f"mlstack-{INSTANCE}")
        fake.put(key, lease_of(holder, renewed), "ADDED")
    lease = ClusterLease(world.client(), INSTANCE, "here/state/1:up")
    if taken:
        lease.acquire()
        assert fake.objects[key]["spec"]["holderIdentity"] == "here/state/1:up"
        lease.release()
        assert key not in fake.objects
    else:
        with pytest.raises(MlstackError, match="Another mlstack") as caught:
            lease.acquire()
        assert "host there" in caught.value.why


def test_a_lost_lease_is_told(fake, world, monkeypatch):
    monkeypatch.setattr("mlstack.engine.lock.RENEW_SECONDS", 0.05)
    world.up(stack("app", ns("app")))
    lost = threading.Event()
    lease = ClusterLease(world.client(), INSTANCE, "here/state/1:up", lost.set)
    lease.acquire()
    time.sleep(0.2)
    assert not lost.is_set()
    taken = fake.find("Lease", f"mlstack-{INSTANCE}", SYSTEM_NAMESPACE)
    metadata = {key: value for key, value in taken["metadata"].items() if key != "resourceVersion"}
    world.client().replace({**taken, "metadata": metadata, "spec": {"holderIdentity": "there/x/1:up"}})
    assert lost.wait(3)
    lease.release()


def test_refusals_of_secrets_do_not_repeat_the_servers_words(fake, tmp_path):
    client = World(fake.kubeconfig, tmp_path / "state").client()
    original = fake.server.RequestHandlerClass.handle_any

    def refuse(handler):
        handler.trouble = ""
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.refuse(422, "data.key: Invalid value: canary-value", "Invalid")

    client.resource("v1", "Secret")
    fake.server.RequestHandlerClass.do_PATCH = refuse
    with pytest.raises(MlstackError) as caught:
        client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x"}, "data": {}})
    assert caught.value.code == "kube.invalid" and "canary" not in str(caught.value)
    with pytest.raises(MlstackError, match="refused"):
        client.apply(config("c", "x"))
    assert client.get(ResourceId("Secret", "none", "x")) is None
    assert original is not refuse
