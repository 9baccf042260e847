"""The first program of a notebook's pod: JupyterLab, the door to the platform, and sleep once JupyterLab has ended.

JupyterLab ends itself after a time without kernels, terminals and requests. Then the pod scales its own StatefulSet to none, by
the rights of the profile's ``default-editor``: nobody outside needs rights over notebooks to put them to sleep.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from mlstack_notebooks.door import make_door
from mlstack_notebooks.kube import Cluster, Kube
from mlstack_pod.gateway import Gateway
from mlstack_pod.kube import ACCOUNT, KubeError

PORT, DOOR = 8888, 8899
CHECK_SECONDS = 60
"""How often JupyterLab looks for kernels that are idle."""


def arguments(environ: Mapping[str, str]) -> list[str]:
    """JupyterLab's command line. It asks nobody who they are: only the gateway reaches it, which has asked.

    Raises KeyError with the name of a variable that is missing.
    """
    idle = int(environ["IDLE_MINUTES"]) * 60
    settings = {
        "ServerApp.ip": "0.0.0.0",  # noqa: S104  # the pod's; the network's rules let in the gateway only
        "ServerApp.port": PORT,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.base_url": environ["NB_PREFIX"] + "/",
        "ServerApp.root_dir": environ["HOME"],
        "ServerApp.allow_remote_access": True,
        "IdentityProvider.token": "",
        "PasswordIdentityProvider.hashed_password": "",
        "ServerApp.shutdown_no_activity_timeout": idle,
        "MappingKernelManager.cull_idle_timeout": idle,
        "MappingKernelManager.cull_connected": True,
        "MappingKernelManager.cull_interval": CHECK_SECONDS,
        "TerminalManager.cull_inactive_timeout": idle,
        "TerminalManager.cull_interval": CHECK_SECONDS,
        # nothing is asked of the internet without being told to
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": "None",
        "LabApp.extension_manager": "readonly",
    }
    return [sys.executable, "-m", "jupyterlab", *(f"--{key}={value}" for key, value in settings.items())]


def sleep(cluster: Cluster, namespace: str, ended: threading.Event, seconds: float = 120) -> str:
    """Asks for no pod and waits to be ended; gives why that did not come, empty when it did."""
    try:
        cluster.scale(namespace, 0)
    except KubeError as error:
        return f"the notebook cannot be put to sleep: {error}"
    return "" if ended.wait(seconds) else "the notebook was put to sleep, but its pod goes on"


def main() -> int:
    """Runs until JupyterLab has ended; gives the exit code."""
    ended = threading.Event()
    gateway = Gateway(
        os.environ["GATEWAY_SERVICE"],
        os.environ["GATEWAY_AUTHORITY"],
        Path(os.environ["GATEWAY_TOKEN_FILE"]),
        Path(os.environ["GATEWAY_AUTHORITIES_FILE"]),
    )
    threading.Thread(target=make_door(gateway, DOOR).serve_forever, daemon=True).start()
    lab = subprocess.Popen(arguments(os.environ))

    def end(number: int, _frame: object) -> None:
        ended.set()
        if lab.poll() is None:
            lab.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    code = lab.wait()
    if code or ended.is_set():
        return 0 if ended.is_set() else code
    print("nothing was done for a while: the notebook goes to sleep", flush=True)
    why = sleep(Kube(), (ACCOUNT / "namespace").read_text().strip(), ended)
    if why:
        print(why, file=sys.stderr, flush=True)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
