"""Waits of whole runs: reasons, timeouts, what fails at once, one watch for many, and the end by Ctrl-C."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from sampleobjects import deployment, ns, slow_waits
from world import FakeImages, stack

from mlstack.core.actions import Result
from mlstack.core.errors import MlstackError
from mlstack.core.events import StepDone, StepStarted, StepWaiting
from mlstack.core.recipe import Image


def stuck_pod(name="web-1", namespace="app", app="web"):
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "main", "restartCount": 2, "state": waiting, "lastState": last}],
    }
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {"app": app}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def test_a_wait_tells_its_reason_and_its_timeout_shows_the_log(world, fake):
    fake.never_ready.add("web")
    fake.pod_logs["web-1"] = "starting\ncannot open /config: no such file\n"
    with fake.lock:
        fake.put(("v1", "pods", "app", "web-1"), stuck_pod(), "ADDED")
    began = time.monotonic()
    _plan, report = world.up(stack("app", ns("app"), deployment("web", "app")), change=slow_waits(2.0))
    assert 2 <= time.monotonic() - began < 10
    (failed,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert failed["code"] == "wait.timeout" and "Deployment/app/web" in failed["what"]
    assert "CrashLoopBackOff" in failed["why"] and "cannot open /config: no such file" in failed["why"]
    reasons = [(pending.resource, pending.reason) for event in world.told(StepWaiting) for pending in event.pending]
    assert ("Pod/app/web-1", "container main: CrashLoopBackOff, started 3 times, ended with exit code 3") in reasons


def test_a_deployment_that_stalled_before_this_run_may_still_become_ready(world, fake):
    """The run before ended while it was stuck; what held it up is mended, and this run waits instead of failing at once."""
    wanted, key = stack("app", ns("app"), deployment("web", "app")), ("apps/v1", "deployments", "app", "web")

    def say(status):
        with fake.lock:
            observed = {"observedGeneration": fake.objects[key]["metadata"]["generation"]}
            fake.put(key, {**fake.objects[key], "status": {**observed, **status}}, "MODIFIED")

    def mend():
        while not any("ProgressDeadline" in one.reason for event in world.told(StepWaiting) for one in event.pending):
            time.sleep(0.01)
        say({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})

    fake.never_ready.add("web")
    assert not world.up(wanted, change=slow_waits(1.0))[1].ok
    say({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]})
    thread = threading.Thread(target=mend, daemon=True)
    thread.start()
    assert world.up(wanted, change=slow_waits(20.0))[1].ok
    thread.join(timeout=5)


def test_a_failed_job_is_told_at_once(world, fake):
    fake.never_ready.add("once")
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "app"}, "spec": {}}

    def fail():
        while fake.find("Job", "once", "app") is None:
            time.sleep(0.01)
        key = ("batch/v1", "jobs", "app", "once")
        with fake.lock:
            condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
            fake.put(key, {**fake.objects[key], "status": {"conditions": [condition]}}, "MODIFIED")

    thread = threading.Thread(target=fail)
    thread.start()
    _plan, report = world.up(stack("app", ns("app"), job))
    thread.join()
    (failed,) = [outcome.error for outcome in report.outcomes if outcome.error]
    assert failed["code"] == "wait.failed" and "BackoffLimitExceeded" in failed["why"]


def test_many_waits_share_one_watch(world, fake):
    fake.ready_after = 0.3
    workloads = [deployment(f"web-{number}", "app") for number in range(20)]
    _plan, report = world.up(stack("app", ns("app"), *workloads))
    assert report.ok
    watches = [path for method, path, _ in fake.log if "watch=1" in path and "deployments" in path]
    assert len(watches) == 1


def test_an_older_state_in_the_watch_does_not_count_as_ready(world, fake):
    world.up(stack("app", ns("app"), deployment("web", "app")))
    fake.ready_after = 0.5
    began = time.monotonic()
    _plan, report = world.up(stack("app", ns("app"), deployment("web", "app", image="img:2")))
    assert report.ok and time.monotonic() - began >= 0.5


@pytest.mark.parametrize("obedient", [True, False])
def test_ctrl_c_ends_a_run_within_five_seconds(world, fake, obedient):
    began = threading.Event()
    ended = threading.Event()

    def work(_ref, cancelled):
        began.set()
        while not ended.is_set() and not (obedient and cancelled()):
            time.sleep(0.05)
        raise MlstackError("build.interrupted", "interrupted")

    world.images = FakeImages(work=work)
    fake.never_ready.add("web")
    app = stack(
        "app",
        ns("app"),
        deployment("web", "app"),
        images=(Image(ref="other:1", digests={"amd64": "sha256:" + "0" * 64}),),
    )

    def cancel():
        began.wait(10)
        time.sleep(0.3)
        world.cancelled.set()

    threading.Thread(target=cancel, daemon=True).start()
    start = time.monotonic()
    _plan, report = world.up(app)
    ended.set()
    assert time.monotonic() - start < (3 if obedient else 6.5)
    assert report.interrupted and not report.ok
    assert {outcome.because for outcome in report.outcomes if outcome.result is Result.BLOCKED} == {"interrupted"}
    assert not [key for key in fake.objects if key[1] == "leases"] or not obedient
    world.cancelled.clear()
    world.images, fake.never_ready = FakeImages(), set()
    fake.play_controller(("apps/v1", "deployments", "app", "web"))
    world.patience = replace(world.patience, later=5.0)
    assert world.up(app)[1].ok


@pytest.mark.parametrize("last", [StepStarted, StepWaiting, StepDone])
def test_a_run_ends_when_nobody_listens_any_more(world, fake, last):
    """`mlstack up | head`: what cannot be told ends the run, whichever thread wanted to tell it."""

    class Gone(list):
        gone = False

        def append(self, event):
            self.gone = self.gone or isinstance(event, last)
            if self.gone:
                raise BrokenPipeError(32, "Broken pipe")

    fake.never_ready.add("web")
    world.events = Gone()
    ended = threading.Event()

    def run():
        with pytest.raises(BrokenPipeError):
            world.up(stack("app", ns("app"), deployment("web", "app")), change=slow_waits(60.0))
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(20)
