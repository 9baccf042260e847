"""Ansible playbooks through ansible-runner, the only module that imports it. Variables travel in a 0600 file, never in argv."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstack.core.errors import ExitCode, MlstackError
from mlstack.core.events import Emit, StepProgress
from mlstack.core.ports import Cancelled, PlaybookResult

PLAN_STAT = "mlstack_plan"
"""The ``set_stats`` value by which a playbook says, host by host, what it is about to change: a list with ``text``."""
_TAIL = 1500


class AnsiblePlaybooks:
    """ports.Playbooks. playbooks: directory of the playbooks; private: where runs keep their files, made with mode 0700."""

    def __init__(self, playbooks: Path, private: Path) -> None:
        self._playbooks = playbooks
        self._private = private

    def run(
        self,
        playbook: str,
        variables: Mapping[str, Any],
        emit: Emit,
        step: str,
        *,
        check: bool = False,
        hosts: Sequence[str] = ("localhost",),
        cancelled: Cancelled = lambda: False,
    ) -> PlaybookResult:
        """Runs ``<playbooks>/<playbook>`` (``.yml`` may be left out). check: only predicts; ``changes`` are then what it
        would do, in the playbook's own words where it publishes ``PLAN_STAT``.

        hosts: ``localhost`` or ``[user@]host[:port]`` for SSH. A failure is in the result, not raised; an unknown
        playbook raises playbook.unknown.
        """
        path = self._find(playbook)
        self._private.mkdir(parents=True, exist_ok=True, mode=0o700)
        # One directory a run: what runner leaves there (variables, facts) must not leak into the next run.
        work = Path(tempfile.mkdtemp(prefix="run-", dir=self._private))
        recorder = Recorder(emit, step)
        try:
            status = self._launch(path, work, variables, hosts, recorder, check, cancelled)
            log = self._keep_log(work, path.stem)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return recorder.result(status, path.name, log)

    def _find(self, playbook: str) -> Path:
        name = playbook if playbook.endswith((".yml", ".yaml")) else f"{playbook}.yml"
        path = self._playbooks / name
        if not path.is_file():
            raise MlstackError("playbook.unknown", f"there is no playbook {name}", why=f"looked in {self._playbooks}")
        return path

    def _launch(
        self,
        path: Path,
        work: Path,
        variables: Mapping[str, Any],
        hosts: Sequence[str],
        recorder: Recorder,
        check: bool,
        cancelled: Cancelled,
    ) -> str:
        import ansible_runner

        run = ansible_runner.run(
            private_data_dir=str(work),
            project_dir=str(self._playbooks),
            playbook=path.name,
            inventory={"all": {"hosts": {_name(host): _connection(host, work) for host in hosts}}},
            extravars=dict(variables),
            envvars=_environment(work),
            cmdline="--check --diff" if check else "",
            settings={"suppress_ansible_output": True, "idle_timeout": 1800},
            event_handler=recorder.take,
            cancel_callback=cancelled,
            quiet=True,
            ident="run",
        )
        return str(run.status)

    def _keep_log(self, work: Path, name: str) -> Path:
        """The last run's output, for the user and the support bundle."""
        log = self._private / f"{name}.log"
        source = work / "artifacts" / "run" / "stdout"
        log.touch(mode=0o600)
        log.write_bytes(source.read_bytes() if source.exists() else b"")
        return log


@dataclass
class Recorder:
    """Turns runner's events into progress and collects what changed and what failed."""

    emit: Emit
    step: str
    tasks: int = 0
    changes: list[str] = field(default_factory=list)
    planned: list[str] | None = None
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """task, host, why"""

    def take(self, event: Mapping[str, Any]) -> bool:
        """runner's event handler. Returns False: runner need not write the event to a file."""
        data = event.get("event_data") or {}
        kind = event.get("event", "")
        task = str(data.get("name") or data.get("task") or "")
        if kind == "playbook_on_task_start":
            self.tasks += 1
            self.emit(StepProgress(step=self.step, message=task, done=self.tasks, unit="tasks"))
        elif kind == "runner_on_ok" and (data.get("res") or {}).get("changed"):
            self.changes.append(task)
        elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            self.failures.append((task, str(data.get("host", "")), _why(data.get("res") or {})))
        elif kind == "playbook_on_stats":
            self._take_plan((data.get("artifact_data") or {}).get(PLAN_STAT))
        return False

    def _take_plan(self, plan: Any) -> None:
        if isinstance(plan, Mapping):
            several = len(plan) > 1
            self.planned = [
                f"{host}: {item['text']}" if several else str(item["text"])
                for host, items in plan.items()
                for item in items
            ]

    def result(self, status: str, playbook: str, log: Path) -> PlaybookResult:
        """The outcome of a run that ended with runner's ``status``."""
        changes = tuple(self.changes if self.planned is None else self.planned)
        changed = len(self.changes)
        if status == "successful":
            return PlaybookResult(True, changed, changes)
        return PlaybookResult(False, changed, changes, self._error(status, playbook, log))

    def _error(self, status: str, playbook: str, log: Path) -> MlstackError:
        if status == "canceled":
            return MlstackError(
                "playbook.interrupted",
                f"playbook {playbook} was interrupted",
                remedy="run the command again; finished tasks change nothing a second time",
                exit_code=ExitCode.INTERRUPTED,
            )
        causes = [f"task '{task}' on {host}: {why}" for task, host, why in self.failures]
        tail = log.read_text(errors="replace").strip()[-_TAIL:] if log.exists() else ""
        return MlstackError(
            "playbook.failed",
            f"playbook {playbook} failed ({status})",
            why="; ".join(causes) or tail or "it ended before its first task",
            remedy="put right what the task names, then run the command again",
            see=str(log),
        )


def _name(host: str) -> str:
    return host.rpartition("@")[2].partition(":")[0]


def _connection(host: str, work: Path) -> dict[str, Any]:
    """Inventory variables of a host. The local one runs by this process's own interpreter and leaves nothing in $HOME."""
    if host == "localhost":
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_remote_tmp": str(work / "tmp"),
        }
    user, _, rest = host.rpartition("@")
    name, _, port = rest.partition(":")
    connection: dict[str, Any] = {"ansible_host": name}
    if user:
        connection["ansible_user"] = user
    if port:
        connection["ansible_port"] = int(port)
    return connection


def _environment(work: Path) -> dict[str, str]:
    # ansible-playbook lives beside our interpreter, which need not be in PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        "PATH": path,
        "ANSIBLE_HOME": str(work / "home"),
        "ANSIBLE_LOCAL_TEMP": str(work / "local"),
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_SHOW_CUSTOM_STATS": "0",
    }


def _why(result: Mapping[str, Any]) -> str:
    """A failed task's own words: its message and the tail of stderr; censored results stay censored."""
    if "censored" in result:
        return "its output is withheld (no_log)"
    message = str(result.get("msg", "")).strip()
    trouble = str(result.get("stderr") or result.get("module_stderr") or "").strip()[-_TAIL:]
    return ": ".join(part for part in (message, trouble) if part) or "no reason given"
