"""The shell adapter: output, logs, time limits and cancels of real programs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlstack.adapters.shell import HostShell
from mlstack.core.errors import MlstackError


def test_output_errors_code_and_lines(shell: HostShell, tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "logs" / "x.log"
    result = shell.run(["sh", "-c", "echo out; echo err >&2; pwd; exit 3"], on_line=lines.append, log=log, cwd=tmp_path)
    assert (result.code, result.output, result.errors) == (3, f"out\n{tmp_path}\n", "err\n")
    assert sorted(lines) == sorted(["out", "err", str(tmp_path)])
    assert set(log.read_text().splitlines()) == set(lines)
    assert log.stat().st_mode & 0o777 == 0o600


def test_environment_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    result = HostShell({"OWN": "2"}).run(["sh", "-c", "echo $KEPT$OWN$GIVEN"], env={"GIVEN": "3"})
    assert result.output == "123\n"


@pytest.mark.parametrize("size", [3, 300_000])
def test_standard_input_from_bytes_and_file(shell: HostShell, tmp_path: Path, size: int) -> None:
    data = b"x" * size
    (tmp_path / "in").write_bytes(data)
    for stdin in (data, tmp_path / "in"):
        assert shell.run(["wc", "-c"], stdin=stdin).output.strip() == str(size)


def test_no_standard_input_is_an_end_of_file(shell: HostShell) -> None:
    assert shell.run(["cat"], timeout=5).output == ""


def test_the_tail_of_errors_is_bounded(shell: HostShell) -> None:
    errors = shell.run(["sh", "-c", "seq 1 5000 >&2"]).errors.splitlines()
    assert errors[-1] == "5000"
    assert len(errors) == 200


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["polite", "stubborn"])
def test_a_cancel_ends_the_whole_group_within_a_second_or_so(shell: HostShell, tmp_path: Path, trap: str) -> None:
    start = time.monotonic()
    script = f"{trap} sleep 60 & echo $! > {tmp_path}/pid; wait; wait"
    with pytest.raises(MlstackError) as caught:
        shell.run(["sh", "-c", script], cancelled=lambda: (tmp_path / "pid").exists())
    assert caught.value.code == "run.interrupted"
    assert time.monotonic() - start < 3
    assert not _alive(int((tmp_path / "pid").read_text()))


def test_a_timeout_is_named(shell: HostShell) -> None:
    with pytest.raises(MlstackError) as caught:
        shell.run(["sleep", "60"], timeout=0.3)
    assert caught.value.code == "shell.timeout"


def test_a_missing_program_is_named(shell: HostShell) -> None:
    with pytest.raises(MlstackError, match="no-such-program-here"):
        shell.run(["no-such-program-here"])
    with pytest.raises(MlstackError) as caught:
        shell.run(["/nowhere/x"])
    assert caught.value.code == "shell.not-found"
    assert shell.which("no-such-program-here") is None


def test_secrets_in_the_environment_are_not_in_errors_or_logs(shell: HostShell, tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(MlstackError) as caught:
        shell.run(["sleep", "60"], timeout=0.2, env={"TOKEN": "canary-7"}, log=log)
    assert "canary-7" not in str(caught.value) + log.read_text()


def test_a_listener_that_fails_does_not_block_the_program(shell: HostShell) -> None:
    def fail(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError):
        shell.run(["seq", "1", "200000"], on_line=fail, timeout=30)


def test_nothing_is_started_once_the_user_asked_to_stop(shell: HostShell, tmp_path: Path) -> None:
    mark = tmp_path / "started"
    with pytest.raises(MlstackError) as caught:
        shell.run(["touch", str(mark)], cancelled=lambda: True)
    assert caught.value.code == "run.interrupted"
    assert not mark.exists()
