"""The landing page's server as a browser sees it: a real one on a free port, with real requests and streams."""

import os
import re
import socket
import statistics
import threading
import time

import httpx
import pytest
from fakeapp import CANARY, ENDPOINT, STEPS, FakeApp, recorded
from landing import Served, following, until

from mlstack.cli.landing import guard, peer
from mlstack.core import events as ev
from mlstack.core.errors import MlstackError
from mlstack.core.model import LogFile


class Reader:
    """The part of the app that logs are read from."""

    def __init__(self, directory):
        self.directory = directory

    def log_files(self):
        return [LogFile("images", path.name, path) for path in sorted(self.directory.glob("*.log"))]

    def logs(self, stack, follow, tail):
        if stack != "minio":
            raise MlstackError("config.unknown-stack", f"there is no stack {stack}", remedy="did you mean 'minio'?")
        yield ev.LogLine(source="minio-0/minio", text=f"password={CANARY}")


@pytest.fixture
def served(tmp_path):
    (tmp_path / "logs").mkdir()
    server = Served(lambda: Reader(tmp_path / "logs"))
    yield server
    server.end()


def started(board):
    board.emit(ev.RunStarted(command="up", instance="lab", steps=STEPS, estimate=9))


def test_an_event_is_shown_within_300_ms(served):
    started(served.board)
    taken = []
    with following(served.address) as found:
        next(found)
        for number in range(15):
            time.sleep(0.03 * (number % 5))  # at different moments of the server's pause between two states
            begun = time.monotonic()
            served.board.emit(ev.Message(text=f"it happened {number}."))
            until(found, f"it happened {number}.")
            taken.append(time.monotonic() - begun)
    assert statistics.median(taken) <= 0.15 and sorted(taken)[-2] <= 0.3, taken


def test_a_reconnect_gets_the_whole_state_whatever_it_saw_last(served):
    started(served.board)
    with following(served.address) as found:
        first, _ = next(found)
    for _, event in recorded():
        served.board.emit(event)
    for last in ("", str(first), "999999", "junk"):
        with following(served.address, last) as found:
            version, state = next(found)
        assert version > first and "argo-workflows" in state["html"] and "49 of 49 steps" in state["html"]


def test_a_client_that_does_not_read_holds_up_nobody(served):
    stuck = socket.create_connection(("127.0.0.1", served.port))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    stuck.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
    started(served.board)
    with following(served.address) as found:
        begun = time.monotonic()
        for number in range(20_000):
            served.board.emit(ev.StepProgress(step="image:node", done=number, total=20_000, message="x" * 500))
        assert time.monotonic() - begun < 5, "emit must be cheap"
        served.board.emit(ev.Message(text="still here"))
        until(found, "still here")
    stuck.close()


def test_many_streams_are_bounded(served):
    sockets = []
    for _ in range(40):
        one = socket.create_connection(("127.0.0.1", served.port))
        one.sendall(f"GET /events HTTP/1.1\r\nHost: localhost:{served.port}\r\n\r\n".encode())
        sockets.append((one, one.recv(15)))
    codes = [head.split()[1] for _, head in sockets]
    assert codes.count(b"200") == 32 and codes.count(b"503") == 8
    for one, _ in sockets:
        one.close()


def test_the_page_has_its_state_without_javascript(served):
    for at, event in recorded():
        if at < 2:
            served.board.emit(event)
    answer = served.get("/")
    assert answer.status_code == 200
    for text in (
        "Bringing &#39;lab&#39; up",
        "build kindest/node",
        "argo-workflows",
        "<noscript>",
        "<main",
        'lang="en"',
    ):
        assert text in answer.text


def test_nothing_external_is_loaded_and_the_policy_forbids_it(served):
    started(served.board)
    page = served.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer" and "server" not in page.headers
    linked = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert {"page.css", "page.js", "icon.svg"} == set(linked)
    for name in set(linked):
        asset = served.get(f"/{name}")
        assert asset.status_code == 200 and asset.headers["content-security-policy"] == policy
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", asset.text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page.text)


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "10.0.0.1", "127.0.0.1@evil.example:1"],
)
@pytest.mark.parametrize("path", ["/", "/events", "/page.js", "/log?of=minio"])
def test_another_host_name_is_refused(served, name, path):
    assert served.get(path, host=name, **served.with_key()).status_code in (400, 403)


def test_this_machines_names_are_accepted_also_through_a_forwarded_port(served):
    for name in (f"127.0.0.1:{served.port}", f"localhost:{served.port}", "localhost:9999", "LOCALHOST"):
        assert served.get("/", host=name).status_code == 200


def test_resume_needs_key_and_origin(served):
    served.board.offer(True)
    address, key = f"{served.address}/resume", {"x-mlstack-key": served.keys.key}
    foreign = ("http://evil.example", f"http://127.0.0.1:{served.port + 1}", f"https://127.0.0.1:{served.port}", "null")
    for headers in (
        key,
        *({**key, "origin": one} for one in foreign),
        {**key, "origin": served.address, "sec-fetch-site": "cross-site"},
    ):
        assert httpx.post(address, headers=headers).status_code == 403, headers
    for wrong in ("", "x", served.keys.key[:-1], served.keys.key + "x", "ä".encode().decode("latin-1")):
        sent = {"origin": served.address, "x-mlstack-key": wrong.encode("latin-1")}
        assert httpx.post(address, headers=sent).status_code == 403, wrong
    assert served.get("/resume", **served.with_key()).status_code in (404, 405) and served.resumed == 0
    assert served.post("/resume", **served.with_key()).status_code == 202 and served.resumed == 1


def test_of_two_clicks_one_counts(served):
    assert served.post("/resume", **served.with_key()).status_code == 409
    served.board.offer(True)
    answers = [served.post("/resume", **served.with_key()).status_code for _ in range(3)]
    assert answers == [202, 409, 409] and served.resumed == 1


def test_another_site_gets_no_state(served):
    assert served.get("/events", origin="http://evil.example").status_code == 403
    assert served.get("/", sec_fetch_site="cross-site", sec_fetch_dest="iframe").status_code == 403
    assert served.get("/page.js", sec_fetch_site="same-site", sec_fetch_dest="script").status_code == 403
    assert served.get("/", sec_fetch_site="cross-site", sec_fetch_dest="document").status_code == 200


def test_a_code_is_worth_the_key_once(served):
    code = served.keys.code()
    assert served.post("/pair", x_mlstack_code="x").status_code == 403
    assert httpx.post(f"{served.address}/pair", headers={"x-mlstack-code": code}).status_code == 403
    assert served.post("/pair", x_mlstack_code=code).json() == {"key": served.keys.key}
    assert served.post("/pair", x_mlstack_code=code).status_code == 403


@pytest.mark.parametrize(
    ("owner", "good"), [(None, True), (os.getuid(), True), (os.getuid() + 1, False), (peer.NOBODY, False)]
)
def test_a_code_shown_by_another_user_is_refused_and_stays_good(monkeypatch, owner, good):
    keys = guard.Keys()
    code = keys.code()
    monkeypatch.setattr(guard, "owner_of", lambda *_: owner)
    assert (keys.redeem(code, 1, 2) == keys.key) is good
    monkeypatch.setattr(guard, "owner_of", lambda *_: os.getuid())
    assert (keys.redeem(code, 1, 2) == keys.key) is not good


@pytest.mark.skipif(not peer.TABLES[0].exists(), reason="the kernel has no such table")
def test_the_kernel_tells_whose_connection_it_is(served):
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        assert peer.owner_of(client.getsockname()[1], served.port) == os.getuid()
    assert peer.owner_of(1, served.port) == peer.NOBODY


def test_a_log_needs_the_key_and_shows_its_end_without_secrets(served, tmp_path):
    log = tmp_path / "logs" / "go-argo.log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)) + f"token: {CANARY}\n")
    assert served.get("/log?of=images/go-argo.log").status_code == 403
    assert served.get("/log?of=images/go-argo.log", x_mlstack_key="x").status_code == 403
    lines = served.get("/log?of=images/go-argo.log", **served.with_key()).json()["lines"]
    assert len(lines) == 200 and lines[-2] == "line 99999" and CANARY not in lines[-1]
    assert served.get("/log?of=minio", **served.with_key()).json()["lines"] == ["minio-0/minio | password=[redacted]"]


def test_a_log_that_is_not_listed_cannot_be_asked_for(served, tmp_path):
    (tmp_path / "secret.log").write_text("secret")
    (tmp_path / "logs" / "a.log").write_text("a")
    outside = tmp_path / "secret.log"
    for path in (
        "images/../secret.log",
        "../secret.log",
        f"images/{outside}",
        str(outside),
        "/etc/passwd",
        "images/",
        "host/a.log",
        "images/a.log%00",
        "images%2f..%2f..%2fsecret.log",
        "file:///etc/passwd",
    ):
        answer = served.get(f"/log?of={path}", **served.with_key())
        assert answer.status_code == 404, path
    for path in ("/..%2fserver.py", "/page.html.j2", "/state.html.j2", "/../server.py", "/.%2e/page.py"):
        assert served.get(path).status_code == 404, path
    unknown = served.get("/log?of=etcpasswd", **served.with_key())
    assert unknown.status_code == 409 and "did you mean 'minio'?" in unknown.text


def test_log_files_of_this_run_are_offered(served, tmp_path):
    for name, age in (("old.log", 3600), ("new.log", 0)):
        (tmp_path / "logs" / name).write_text("x")
        os.utime(tmp_path / "logs" / name, (time.time() - age + 1, time.time() - age + 1))
    started(served.board)
    with following(served.address) as found:
        _, state = until(found, "images/new.log")
    assert "old.log" not in state["html"]


def test_a_failure_shows_error_and_remedy_and_no_secret(served):
    for _, event in recorded(fails=True):
        served.board.emit(event)
    served.board.settle("failed")
    served.board.offer(True)
    with following(served.address) as found:
        _, state = next(found)
    for text in (
        "minio is not ready",
        "its probe fails",
        "mlstack logs minio",
        "wait.timeout",
        'id="resume"',
        "Because of: wait for",
    ):
        assert text in state["html"]
    assert CANARY not in state["html"] and not state["ended"]


def test_every_problem_found_before_the_run_is_shown(served):
    problems = [
        {"code": "preflight.port", "what": "port 9001 is taken", "remedy": "free it"},
        {"what": "too little memory"},
    ]
    served.board.settle("failed", error={"code": "preflight.failed", "what": "2 problems", "problems": problems})
    page = served.get("/").text
    assert "port 9001 is taken" in page and "free it" in page and "too little memory" in page


def test_success_shows_where_everything_is_and_the_stream_ends(served):
    for _, event in recorded():
        served.board.emit(event)
    status = FakeApp.status(type("App", (), {"fails": False, "_called": lambda *_: None})())
    with following(served.address) as found:
        next(found)
        served.board.settle("ok", status=status)
        last = served.board.end()
        assert served.audience.wait(last, 2)
        seen = list(found)
    assert seen[-1][1]["ended"] and seen[-1][1]["portal"] == "" and seen[-1][0] == last
    assert ENDPOINT.url in seen[-1][1]["html"] and "mlstack credentials minio" in seen[-1][1]["html"]


def test_the_end_waits_for_a_browser_that_is_coming_but_not_long(served):
    served.get("/")
    version = served.board.end()
    late = threading.Timer(0.3, lambda: served.get("/events"))
    late.start()
    begun = time.monotonic()
    assert served.audience.wait(version, 2) and 0.2 < time.monotonic() - begun < 1.5
    late.join()
    served.get("/")
    begun = time.monotonic()
    assert not served.audience.wait(version, 0.3) and time.monotonic() - begun < 1
    assert served.audience.wait(version, 5) and time.monotonic() - begun < 2, "the page was loaded, but nothing follows"


def test_what_a_client_does_wrong_is_not_told_in_the_terminal(served, caplog):
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"\x16\x03junk\r\n\r\n")
        assert b"400" in client.recv(100)
    assert not caplog.records and served.get("/").status_code == 200


def test_a_question_in_the_terminal_is_told(served):
    with served.board.asking(["", "install the engine"]):
        assert "answer in the terminal" in served.get("/").text and "install the engine" in served.get("/").text
    assert "answer in the terminal" not in served.get("/").text


def test_text_of_the_run_is_never_markup(served):
    served.board.emit(ev.Message(text="<img src=x onerror=alert(1)>"))
    assert "<img src=x" not in served.get("/").text and "&lt;img src=x" in served.get("/").text
