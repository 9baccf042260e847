"""How the process starts and ends: time to ``--help`` (goal P9), what it imports, Ctrl-C, closed pipes."""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

FAKE = str(Path(__file__).parent / "fakeapp.py")
HEAVY = (
    "click",
    "rich",
    "pydantic",
    "yaml",
    "jinja2",
    "kubernetes",
    "docker",
    "minio",
    "ansible_runner",
    "httpx",
    "cryptography",
)
ENVIRON = {**os.environ, "NO_COLOR": "1"}


def took(*arguments):
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def test_help_and_version_start_within_five_times_bare_python():
    ratios = {}
    for flag in ("--help", "--version"):
        pairs = [(took("-m", "mlstack", flag), took("-I", "-c", "pass")) for _ in range(7)]
        ratios[flag] = statistics.median(ours / bare for ours, bare in pairs)
    assert max(ratios.values()) <= 5, ratios


def imported(*arguments):
    program = (
        "import sys; from mlstack.__main__ import main\n"
        f"try: main({list(arguments)!r})\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**ENVIRON, "PYTHONPATH": ""}
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "allowed"), [(["--help"], ()), (["--version"], ()), (["up", "--help"], ("click",))]
)
def test_nothing_heavy_is_imported_to_show_help(arguments, allowed):
    assert imported(*arguments) & set(HEAVY) <= set(allowed)


def test_every_module_imports_without_touching_the_world():
    """Import of every command: no directory made, no process started, nothing that only Linux has."""
    program = (
        "import sys, pkgutil, importlib, builtins\n"
        "for name in ('fcntl', 'termios', 'resource', 'pwd', 'grp'): sys.modules[name] = None\n"
        "import mlstack.cli\n"
        "for module in pkgutil.iter_modules(mlstack.cli.__path__): importlib.import_module('mlstack.cli.' + module.name)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, FAKE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRON
    )


def wait_for(process, text):
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"never said {text!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_stops_cleanly_and_says_how_to_go_on(number):
    process = start("up", "--plain")
    wait_for(process, "no registry answers")
    begun = time.perf_counter()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert time.perf_counter() - begun < 5
    assert process.returncode == 130 and "'mlstack up' goes on from here" in err and "Traceback" not in err
    assert out == ""


def test_the_second_interrupt_leaves_at_once():
    program = (
        f"import sys; sys.path.insert(0, {str(Path(FAKE).parent)!r})\n"
        "import time, fakeapp; from mlstack.__main__ import main\n"
        "fakeapp.install(sys.modules)\n"
        "def deaf(self, confirm, host_changes):\n"
        "    print('deaf', file=sys.stderr, flush=True)\n"
        "    while True: time.sleep(0.05)\n"
        "fakeapp.FakeApp.up = deaf\n"
        "sys.exit(main(['up', '--plain']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=ENVIRON)
    wait_for(process, "deaf")
    process.send_signal(signal.SIGINT)
    wait_for(process, "Press Ctrl-C again")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == 130
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_a_closed_pipe_is_no_bug():
    program = f"{sys.executable} {FAKE} --json images build 2>err | head -n 1; cat err; rm err"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd="/tmp", env=ENVIRON, timeout=30)
    assert "RunStarted" in done.stdout and "Traceback" not in done.stdout + done.stderr and "bug" not in done.stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bytes_of_another_encoding_are_no_bug(locale):
    environ = {**ENVIRON, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for words in (
        [b"--set", b"name=\xff\xfe"],
        [b"--set", b"\xff=1"],
        [b"--name", "Ü".encode()],
        [b"-f", b"\xff.yaml"],
    ):
        done = subprocess.run([sys.executable, FAKE, "config", "show", *words], capture_output=True, env=environ)
        assert done.returncode in (0, 2) and b"bug" not in done.stderr, done.stderr


def test_an_interrupt_at_a_question_ends_at_once():
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, FAKE, "up", "--plain", "--host"],
        stdin=theirs,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRON,
    )
    seen = b""
    while b"[y/N]" not in seen:
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 130 and b"Interrupted." in err and b"Traceback" not in err
