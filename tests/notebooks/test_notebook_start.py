"""What runs first in a notebook's pod: the editors' command lines, and the way to sleep."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from notebookworld import Memory

from mlstack_notebooks.editors import code_server, jupyterlab
from mlstack_notebooks.start import sleep

SOURCE = Path(__file__).parents[2] / "installer"
CODE = """
import sys
import mlstack_notebooks.__main__, mlstack_notebooks.start
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__"}))
"""
ENVIRON = {"NB_PREFIX": "/notebooks/ann", "HOME": "/home/jovyan", "IDLE_MINUTES": "60"}


def test_the_command_line_has_path_and_times() -> None:
    line = jupyterlab(ENVIRON)
    assert line[1:3] == ["-m", "jupyterlab"]
    assert "--ServerApp.base_url=/notebooks/ann/" in line
    for name in (
        "ServerApp.shutdown_no_activity_timeout",
        "MappingKernelManager.cull_idle_timeout",
        "TerminalManager.cull_inactive_timeout",
    ):
        assert f"--{name}=3600" in line


@pytest.mark.parametrize("name", ENVIRON)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        jupyterlab({key: value for key, value in ENVIRON.items() if key != name})


def test_code_server_has_no_login_of_its_own_and_asks_nobody_outside() -> None:
    line = code_server({"HOME": "/home/jovyan"})
    assert line[0] == "node" and line[1].endswith("/entry.js") and line[-1] == "/home/jovyan"
    assert {"--auth=none", "--bind-addr=0.0.0.0:8888", "--disable-telemetry", "--disable-update-check"} < {*line}
    assert "--disable-proxy" in line, "ports of the pod, the door's among them, are not the browser's"
    with pytest.raises(KeyError, match="HOME"):
        code_server({})


def test_sleep_asks_for_no_pod_and_waits_for_the_end(memory: Memory) -> None:
    ended = threading.Event()
    ended.set()
    assert sleep(memory, "ann", ended) == ""
    assert memory.scaled == [("ann", 0)]


def test_sleep_that_does_not_come_says_why(memory: Memory) -> None:
    assert "goes on" in sleep(memory, "ann", threading.Event(), 0.01)
    memory.broken = True
    assert "forbidden" in sleep(memory, "ann", threading.Event(), 0.01)


def test_it_needs_nothing_that_its_image_has_not() -> None:
    argv = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{CODE}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["mlstack_notebooks", "mlstack_pod"]
