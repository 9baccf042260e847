"""The command's side of the landing page: opens it beside a run, keeps it after a failure, and starts the next attempt."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress

from mlstack.cli.failures import as_data
from mlstack.cli.landing.audience import Audience
from mlstack.cli.landing.board import Board, Ending
from mlstack.cli.landing.guard import Keys
from mlstack.cli.landing.logs import Logs
from mlstack.cli.render_json import JsonRenderer
from mlstack.cli.session import Session, fail
from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Event, Message

LINGER = 2.0
"""Seconds that the end of a run waits for its readers."""
STARTS = 10.0
"""Seconds that a browser may take to start."""
JOIN = 2.0
"""Seconds that the server has to end; it is a daemon's thread, so nothing hangs on it."""
HELD = (ExitCode.FAILED, ExitCode.PREFLIGHT, ExitCode.NOT_READY)
"""Ends after which the same command may go on once something is mended; a wrong flag or a bug is not mended while it waits."""


FAILED = "failed"
OUTCOMES = {ExitCode.OK: "ok", ExitCode.INTERRUPTED: "interrupted"}
"""What an exit code is called on the page; every other one is a failure."""


class Page:
    """The page of one ``up``. attended: someone sits at the terminal, so a failure may wait for them."""

    def __init__(self, session: Session, *, attended: bool) -> None:
        self._session, self._attended = session, attended
        self.board, self._audience, self._keys = Board(), Audience(), Keys()
        self._ours, self._theirs = socket.socketpair()
        self._stop = threading.Event()
        self._end: Callable[[], None] = lambda: None
        self._opened = False
        self._listening: socket.socket | None = None

    def __enter__(self) -> Page:
        try:
            # Connections are taken by the kernel from here on, before the server's libraries are loaded.
            self._listening = socket.create_server(("127.0.0.1", 0))
        except OSError as error:
            self._session.note(f"No landing page: {error.strerror}.")
            return self
        self._thread = threading.Thread(target=self._serve, daemon=True, name="landing")
        self._thread.start()
        self._tell_address()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.board.settle("interrupted" if issubclass(kind, KeyboardInterrupt) else FAILED)
        version = self.board.end()
        if self._listening is not None:
            with suppress(KeyboardInterrupt):  # the run has ended already, and with an exit code of its own
                self._audience.wait(version, LINGER)
        self._stop.set()
        self._end()
        if self._listening is not None:
            self._thread.join(JOIN)
            self._listening.close()
        self._ours.close()
        self._theirs.close()

    @property
    def address(self) -> str:
        """Where the page is, without the key; empty when there is none."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/" if self._listening else ""

    def emit(self, event: Event) -> None:
        """Takes an event of the run in."""
        self.board.emit(event)

    def asking(self, lines: Sequence[str]) -> AbstractContextManager[None]:
        """While entered, the page says that the terminal waits for an answer."""
        return self.board.asking(lines)

    def show(self) -> None:
        """Opens a browser, once, where there is a desktop to open it on."""
        if self._opened or not self.address or not self._attended or not has_desktop(self._session.environ):
            return
        self._opened = True
        self._audience.expect(STARTS)
        address = f"{self.address}#code={self._keys.code()}"
        threading.Thread(target=_browse, args=(address,), daemon=True, name="browser").start()

    def attend(self, attempt: Callable[[], Ending]) -> ExitCode:
        """Makes attempts until one is the last; its exit code."""
        while True:
            self.board.begin()
            try:
                ending = attempt()
                error = None
            except MlstackError as problem:
                ending, error = Ending(fail(problem, as_json=self._session.options.json)), as_data(problem)
            self.board.settle(OUTCOMES.get(ending.code, FAILED), status=ending.status, error=error)
            if not self._resumed(ending.code):
                return ending.code

    def _resumed(self, code: ExitCode) -> bool:
        """Keeps the page after a failure until Resume is clicked (true), or Enter or Ctrl-C is pressed (false)."""
        if not self._attended or not self.address or code not in HELD:
            return False
        _forget_typed()  # before the question is there: what is typed after it is its answer
        self._session.note(f"\nStill on {self._address_with_key()}\nResume there, or press Enter here to end.")
        self.board.offer(True)
        try:
            ready, _, _ = select.select([sys.stdin, self._ours], [], [])
        except KeyboardInterrupt:
            ready = []
            self._session.note("")
        self.board.offer(False)
        if self._ours not in ready:
            if ready:
                sys.stdin.readline()
            return False
        self._ours.recv(1)
        self._session.note("Resumed from the page.")
        return True

    def _serve(self) -> None:
        """The server's thread. Whatever goes wrong here is told and ends the page, never the run."""
        try:
            from mlstack.cli.landing.server import Parts, serve

            logs = Logs(self._session.reader)
            parts = Parts(self.board, self._audience, self._keys, logs, self._session.command, self._wake)
            if self._listening is not None:
                serve(self._listening, parts, self._stop, self._can_end)
        except Exception as error:
            self._session.note(f"The landing page ended: {type(error).__name__}: {error}")

    def _wake(self) -> None:
        self._theirs.send(b"r")

    def _can_end(self, end: Callable[[], None]) -> None:
        self._end = end

    def _address_with_key(self) -> str:
        """The key goes to a terminal only: what is piped ends up in files and in the logs of other programs."""
        return f"{self.address}#key={self._keys.key}" if sys.stderr.isatty() else self.address

    def _tell_address(self) -> None:
        if self._session.options.json:
            JsonRenderer(sys.stdout).emit(Message(text=f"progress is shown on {self.address}"))
        else:
            self._session.note(f"Progress: {self._address_with_key()}")


def is_attended(session: Session) -> bool:
    """Whether someone sits at the terminal, who sees progress and can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not session.options.json


def is_wanted(session: Session, asked: bool | None) -> bool:
    """Whether to serve the page. asked: ``--ui`` or ``--no-ui``; unset: for someone at a terminal, not in CI."""
    in_ci = session.environ.get("CI", "").lower() not in ("", "0", "false")
    return is_attended(session) and not in_ci if asked is None else asked


def has_desktop(environ: Mapping[str, str]) -> bool:
    """Whether a browser opened here would be seen: a graphical session, and not the far end of SSH."""
    if environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _browse(address: str) -> None:
    import webbrowser

    with suppress(webbrowser.Error, OSError):
        browser = webbrowser.get()
        # Of this very class are those that run in the terminal, which is taken.
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(address)


def _forget_typed() -> None:
    """Drops what was typed during the run, which is no answer to a question asked after it."""
    with suppress(ImportError, OSError):
        import termios

        with suppress(termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
