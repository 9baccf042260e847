"""The editors that a notebook may have: their command lines.

They ask nobody who they are: only the gateway reaches them, which has asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

PORT = 8888
CHECK_SECONDS = 60
"""How often is looked for what is idle."""
CODE = "/opt/code-server/node_modules/code-server/out/node/entry.js"
SETTINGS = {
    # nothing is asked of the internet without being told to
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "workbench.enableExperiments": False,
    "workbench.startupEditor": "none",
    "chat.disableAIFeatures": True,
}
"""What a user of code-server finds at first, and may change."""


def jupyterlab(environ: Mapping[str, str]) -> list[str]:
    """JupyterLab's command line. Raises KeyError with the name of a variable that is missing."""
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


def code_server(environ: Mapping[str, str]) -> list[str]:
    """code-server's command line; it serves at ``/``, and the gateway drops the notebook's prefix.

    Raises KeyError with the name of a variable that is missing.
    """
    home = environ["HOME"]
    switches = ["telemetry", "update-check", "workspace-trust", "getting-started-override", "proxy"]
    return [
        "node",
        CODE,
        f"--bind-addr=0.0.0.0:{PORT}",
        "--auth=none",
        *(f"--disable-{one}" for one in switches),
        # what is of this run only is not kept
        "--config=/tmp/code-server/config.yaml",
        "--session-socket=/tmp/code-server/session.sock",
        f"--user-data-dir={home}/.local/share/code-server",
        "--app-name=code-server",
        home,
    ]


def first_settings(home: Path) -> None:
    """Writes the settings that a user of code-server begins with, once. Raises OSError."""
    Path("/tmp/code-server").mkdir(parents=True, exist_ok=True)  # noqa: S108  # the pod's own, nobody else is in it
    file = home / ".local/share/code-server/User/settings.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(SETTINGS, indent=2) + "\n")
