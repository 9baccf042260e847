"""An editor without an open page in which nothing computes is ended, and no other."""

from __future__ import annotations

import http.server
import json
import os
import threading
from pathlib import Path

import pytest

from mlstack_notebooks.idle import BUSY, Watch, end_when_idle, last_seen, processor_seconds


class Pod:
    """A pod of which everything is said: the time, when a page was open, processor time by process."""

    def __init__(self) -> None:
        self.now, self.page, self.answers = 1000.0, 0.0, True
        self.used: dict[int, float] = {1: 5.0}
        self.watch = Watch(self.seen, lambda: dict(self.used), lambda: self.now)

    def seen(self) -> float:
        if not self.answers:
            raise ConnectionRefusedError
        return self.page

    def later(self, seconds: float, work: float = 0) -> float:
        self.now += seconds
        self.used[1] += work
        return self.watch.idle_seconds()


def test_nothing_done_is_idle_from_the_start() -> None:
    pod = Pod()
    assert pod.later(60) == 60 and pod.later(60) == 120


def test_an_open_page_is_activity() -> None:
    pod = Pod()
    pod.page = 1050
    assert pod.later(60) == 10


@pytest.mark.parametrize(("share", "idle"), [(BUSY * 2, 0), (BUSY / 2, 60)])
def test_what_computes_keeps_it_awake_and_what_waits_does_not(share: float, idle: float) -> None:
    assert Pod().later(60, work=60 * share) == idle


def test_a_process_that_is_new_is_counted_from_the_next_look_on() -> None:
    pod = Pod()
    pod.used[7] = 500.0
    assert pod.later(60) == 60, "what it used before is nobody's guess"
    pod.used[7] += 60
    assert pod.later(60) == 0
    del pod.used[7]
    assert pod.later(60) == 60


def test_one_that_does_not_answer_is_not_ended() -> None:
    pod = Pod()
    pod.answers = False
    assert pod.later(600) == 0


def test_it_ends_once_and_only_at_the_limit() -> None:
    pod, ends = Pod(), []
    idle = iter([30.0, 60.0, 90.0])
    pod.watch.idle_seconds = lambda: next(idle)  # type: ignore[method-assign]
    end_when_idle(pod.watch, 60, threading.Event(), lambda: ends.append(1), every=0.001)
    assert ends == [1] and next(idle) == 90.0


def test_zero_is_never() -> None:
    end_when_idle(Pod().watch, 0, threading.Event(), lambda: pytest.fail("ended"), every=0.001)


def test_an_end_from_outside_ends_the_watch() -> None:
    ended = threading.Event()
    ended.set()
    end_when_idle(Pod().watch, 1, ended, lambda: pytest.fail("ended"))


def test_processor_time_is_read_with_that_of_ended_children(tmp_path: Path) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    fields = ["S", *"0" * 10, str(tick), str(2 * tick), str(3 * tick), str(4 * tick), "20"]
    for pid in (1, 8):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}")
    (tmp_path / "9").mkdir()
    assert processor_seconds(1, tmp_path) == {8: 10.0}
    assert processor_seconds()[os.getpid()] > 0, "as the kernel here writes it"


def test_the_editors_own_account_is_asked() -> None:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "alive", "lastHeartbeat": 1700000000500}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert last_seen(f"http://127.0.0.1:{server.server_port}/healthz") == 1700000000.5
