"""The first program of a notebook's pod: its editor, the door to the platform, and sleep once the editor has ended.

JupyterLab ends itself after a time without kernels, terminals and requests; code-server is ended here when it is idle. Then the
pod scales its own StatefulSet to none, by the rights of the profile's ``default-editor``: nobody outside needs rights over
notebooks to put them to sleep.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mlstack_notebooks.door import make_door
from mlstack_notebooks.editors import CHECK_SECONDS, PORT, code_server, first_settings, jupyterlab
from mlstack_notebooks.idle import Watch, end_when_idle, last_seen, processor_seconds
from mlstack_notebooks.kube import Cluster, Kube
from mlstack_notebooks.site import JUPYTERLAB
from mlstack_pod.gateway import Gateway
from mlstack_pod.kube import ACCOUNT, KubeError

DOOR = 8899


def sleep(cluster: Cluster, namespace: str, ended: threading.Event, seconds: float = 120) -> str:
    """Asks for no pod and waits to be ended; gives why that did not come, empty when it did."""
    try:
        cluster.scale(namespace, 0)
    except KubeError as error:
        return f"the notebook cannot be put to sleep: {error}"
    return "" if ended.wait(seconds) else "the notebook was put to sleep, but its pod goes on"


def main() -> int:
    """Runs until the editor has ended; gives the exit code."""
    ended, idle = threading.Event(), threading.Event()
    gateway = Gateway(
        os.environ["GATEWAY_SERVICE"],
        os.environ["GATEWAY_AUTHORITY"],
        Path(os.environ["GATEWAY_TOKEN_FILE"]),
        Path(os.environ["GATEWAY_AUTHORITIES_FILE"]),
    )
    threading.Thread(target=make_door(gateway, DOOR).serve_forever, daemon=True).start()
    editor = _start(os.environ, ended, idle)

    def end(number: int, _frame: object) -> None:
        ended.set()
        if editor.poll() is None:
            editor.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    code = editor.wait()
    if ended.is_set():
        return 0
    if code and not idle.is_set():
        return code
    print("nothing was done for a while: the notebook goes to sleep", flush=True)
    why = sleep(Kube(), (ACCOUNT / "namespace").read_text().strip(), ended)
    if why:
        print(why, file=sys.stderr, flush=True)
    return 1 if why else 0


def _start(environ: Mapping[str, str], ended: threading.Event, idle: threading.Event) -> subprocess.Popen[bytes]:
    """The editor that the image has; ``idle`` is set when it is ended for that. Raises KeyError, OSError."""
    if environ.get("NOTEBOOK_EDITOR", JUPYTERLAB) == JUPYTERLAB:
        return subprocess.Popen(jupyterlab(environ))
    first_settings(Path(environ["HOME"]))
    editor = subprocess.Popen(code_server(environ))

    def end() -> None:
        idle.set()
        editor.terminate()

    seen, used = partial(last_seen, f"http://127.0.0.1:{PORT}/healthz"), partial(processor_seconds, os.getpid())
    limit = int(environ["IDLE_MINUTES"]) * 60
    watching = (Watch(seen, used), limit, ended, end, CHECK_SECONDS)
    threading.Thread(target=end_when_idle, args=watching, daemon=True).start()
    return editor


if __name__ == "__main__":
    sys.exit(main())
