"""A landing page's server on a free port, and what a browser does with it."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx

from mlstack.cli.landing.audience import Audience
from mlstack.cli.landing.board import Board
from mlstack.cli.landing.guard import Keys
from mlstack.cli.landing.logs import Logs
from mlstack.cli.landing.server import Parts, serve


class Served:
    """The parts of a server that runs, its address, and how often Resume counted."""

    def __init__(self, open_reader):
        self.board, self.audience, self.keys, self.resumed = Board(), Audience(), Keys(), 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._end, self._stop, ready = None, threading.Event(), threading.Event()

        def stopper(end):
            self._end = end
            ready.set()

        parts = Parts(
            self.board, self.audience, self.keys, Logs(open_reader), lambda text: f"mlstack {text}", self._resume
        )
        self.thread = threading.Thread(target=serve, args=(self.listening, parts, self._stop, stopper), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _resume(self):
        self.resumed += 1

    def get(self, path="/", **headers):
        return httpx.get(self.address + path, headers=named(headers), timeout=10)

    def post(self, path, **headers):
        return httpx.post(self.address + path, headers={"origin": self.address, **named(headers)}, timeout=10)

    def with_key(self):
        return {"x_mlstack_key": self.keys.key}

    def end(self):
        self._stop.set()
        self._end()
        self.thread.join(5)
        self.listening.close()


def named(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def following(address, last=""):
    """The states of the event stream as (id, data), as they come."""
    headers = {"last-event-id": last} if last else {}
    with httpx.stream("GET", f"{address}/events", headers=headers, timeout=10) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
        yield states(answer)


def states(answer):
    fields = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif fields:
            if fields.get("event") == "state":
                yield int(fields["id"]), json.loads(fields["data"])
            fields = {}


def until(found, text, seconds=5):
    """The first state whose page holds the text."""
    begun = time.monotonic()
    for version, state in found:
        if text in state["html"]:
            return version, state
        assert time.monotonic() - begun < seconds, f"never showed {text!r}"
    raise AssertionError(f"the stream ended without {text!r}")
