"""Runs the kind program: creating and deleting clusters, its output as progress. It makes no decision of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit, StepProgress
from mlstack.core.ports import Cancelled, Shell

CREATE_SECONDS = 900.0
_DELETE_SECONDS = 180.0
_READY = "180s"
_STARTED, _DONE = "•", "✓"
# kind warns that both are experimental or deprecated; neither tells the user anything to act on.
_NOISE = ("WARNING: Overriding docker network", "WARNING: Here be dragons", "cgroup v1 is deprecated")


class KindCli:
    """One kind program. log: file that gets everything it prints; environment: variables it needs (the network's name)."""

    def __init__(self, shell: Shell, program: Path, network: str, log: Path) -> None:
        self._shell = shell
        self._program = program
        self._network = network
        self._log = log

    def create(
        self, document: Mapping[str, Any], kubeconfig: Path, emit: Emit, step: str, cancelled: Cancelled
    ) -> None:
        """Makes the cluster and waits until its nodes are Ready; what was made stays for examination when it fails.

        Raises cluster.create with kind's own last words, run.interrupted after a cancel.
        """
        progress = Progress(emit, step, total=7 if len(document["nodes"]) > 1 else 6)
        with tempfile.TemporaryDirectory(prefix="mlstack-kind-") as directory:
            config = Path(directory) / "kind.yaml"
            config.write_text(yaml.safe_dump(dict(document), sort_keys=False))
            result = self._shell.run(
                [
                    *(str(self._program), "create", "cluster", "--retain", "--wait", _READY),
                    *("--name", document["name"], "--config", str(config), "--kubeconfig", str(kubeconfig)),
                ],
                env=self._environment(kubeconfig),
                timeout=CREATE_SECONDS,
                on_line=progress.take,
                log=self._log,
                cancelled=cancelled,
            )
        if result.code:
            raise MlstackError(
                "cluster.create",
                f"kind could not make the cluster {document['name']}",
                why=reason(result.errors or result.output),
                remedy="run `mlstack doctor` for the usual causes, then `mlstack up` again: it starts afresh",
                see=str(self._log),
            )

    def export_kubeconfig(self, cluster: str, kubeconfig: Path) -> None:
        """Writes the kubeconfig of a running cluster again. Raises cluster.kubeconfig."""
        result = self._shell.run(
            [str(self._program), "export", "kubeconfig", "--name", cluster, "--kubeconfig", str(kubeconfig)],
            env=self._environment(kubeconfig),
            timeout=60,
            log=self._log,
        )
        if result.code:
            raise MlstackError(
                "cluster.kubeconfig",
                f"kind could not write the kubeconfig of cluster {cluster}",
                why=reason(result.errors),
                see=str(self._log),
            )

    def _environment(self, kubeconfig: Path) -> dict[str, str]:
        # KUBECONFIG as well as the flag: whatever kind does, the user's own file is never the one it falls back to.
        return {
            "KIND_EXPERIMENTAL_DOCKER_NETWORK": self._network,
            "KIND_EXPERIMENTAL_PROVIDER": "docker",
            "KUBECONFIG": str(kubeconfig),
            "PATH": os.environ.get("PATH", os.defpath),
        }


class Progress:
    """kind's status lines as StepProgress: `` • Preparing nodes 📦 ...`` begins a step, `` ✓ ...`` ends it."""

    def __init__(self, emit: Emit, step: str, total: int) -> None:
        self._emit = emit
        self._step = step
        self._total = total
        self._done = 0

    def take(self, line: str) -> None:
        """One line of output."""
        text = line.strip()
        if text[:1] not in (_STARTED, _DONE) or text.startswith(f"{_STARTED} Ready after"):
            return
        self._done += text.startswith(_DONE)
        done = min(self._done, self._total)
        self._emit(StepProgress(step=self._step, message=plain(text[1:]), done=done, total=self._total, unit="steps"))


def plain(text: str) -> str:
    """Text without kind's pictographs and dots."""
    return (
        " ".join("".join(ch for ch in text if ch.isascii() or ch.isalnum() or ch == "≤").split())
        .removesuffix("...")
        .strip()
    )


def reason(output: str) -> str:
    """The part of kind's output that says why: from its ``ERROR:`` line on, at most twelve lines."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(_NOISE)]
    start = next((index for index, line in enumerate(lines) if line.startswith("ERROR:")), max(0, len(lines) - 12))
    wanted = lines[start:]
    return "\n".join(wanted if len(wanted) <= 12 else [wanted[0], "...", *wanted[-10:]])
