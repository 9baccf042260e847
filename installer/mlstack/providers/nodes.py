"""What is done inside node containers: listing and importing images, ending pods in order, reading logs. No policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mlstack.core.errors import MlstackError
from mlstack.core.ports import ContainerInfo, Engine, Process

T = TypeVar("T")
_CTR = ("ctr", "-n", "k8s.io")
_IMPORT = 1800.0
POD_SECONDS, SYSTEM_SECONDS = 8, 11
"""Seconds after its begin when a stop kills the workloads, then the control plane, that have not ended by themselves."""

# Pods first, the control plane after them, so that a database's last writes still meet a working node; everything in
# parallel. Each container gets the stop signal its image names. The shims would sit out systemd's own 60 s.
STOP_SCRIPT = r"""
set -u
workload_deadline=$1 system_deadline=$2
NS=k8s.io
SECONDS=0
select_tasks() {
    wanted=$(ctr -n $NS containers ls -q "$1" | sort)
    running=$(ctr -n $NS tasks ls | awk '$3 == "RUNNING" {print $1 " " $2}' | sort)
    join <(echo "$wanted") <(echo "$running")
}
end_tasks() {
    tasks=$(select_tasks "$1")
    [ -n "$tasks" ] || return 0
    awk '{print $1}' <<<"$tasks" | xargs -r -n 1 -P 8 ctr -n $NS tasks kill 2>/dev/null
    patience=$(($2 > SECONDS ? $2 - SECONDS : 1))
    timeout "$patience" bash -c 'for pid in "$@"; do tail --pid="$pid" -s 0.1 -f /dev/null; done' _ $(awk '{print $2}' <<<"$tasks")
    left=$(select_tasks "$1")
    [ -n "$left" ] || return 0
    awk '{print "killed " $1}' <<<"$left"
    awk '{print $1}' <<<"$left" | xargs -r -n 1 -P 8 ctr -n $NS tasks kill -s SIGKILL 2>/dev/null
}
container='labels."io.cri-containerd.kind"==container'
namespace='labels."io.kubernetes.pod.namespace"'
systemctl stop kubelet
end_tasks "$container,$namespace!=kube-system" "$workload_deadline"
end_tasks "$container,$namespace==kube-system" "$system_deadline"
systemctl stop containerd
pids=$(pidof containerd-shim-runc-v2 pause) && kill -KILL $pids
sync
exit 0
"""


class Nodes:
    """The node containers of one cluster. Errors of the engine pass through."""

    def __init__(self, engine: Engine, containers: Sequence[ContainerInfo]) -> None:
        self._engine = engine
        self._containers = tuple(containers)

    def images(self) -> dict[str, str]:
        """Image name -> digest, of those that every node has with the same digest."""
        listings = self._each(lambda node: parse_images(self._run(node, [*_CTR, "images", "ls"]).output))
        first, *others = listings or [{}]
        return {name: digest for name, digest in first.items() if all(other.get(name) == digest for other in others)}

    def lacking(self, name: str, digest: str) -> list[str]:
        """The nodes that do not have an image with this name and digest."""

        def has(node: str) -> bool:
            listing = self._run(node, [*_CTR, "images", "ls", f"name=={name}"]).output
            return parse_images(listing).get(name) == digest

        names = [container.name for container in self._containers]
        return [node for node, there in zip(names, self._each(has), strict=True) if not there]

    def import_image(self, nodes: Sequence[str], archive: Path) -> None:
        """Streams an archive into the runtime of each node. Raises node.import when a runtime refuses it."""
        # Layers are unpacked at once and not kept beside that; a node needs half the disk.
        command = [*_CTR, "images", "import", "--local", "--discard-unpacked-layers", "-"]
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            for node, result in zip(
                nodes,
                pool.map(lambda node: self._engine.execute(node, command, stdin=archive, timeout=_IMPORT), nodes),
                strict=True,
            ):
                if result.code:
                    raise MlstackError(
                        "node.import",
                        f"{node} did not take an image archive",
                        why=result.errors.strip()[-800:] or f"exit code {result.code}",
                        remedy="check the node's disk space (`mlstack doctor`), then run the command again",
                    )

    def end_pods(self) -> list[str]:
        """Ends every pod in order and stops kubelet and containerd. Returns the ids of containers that had to be killed."""
        script = ["bash", "-c", STOP_SCRIPT, "stop", str(POD_SECONDS), str(SYSTEM_SECONDS)]
        outputs = self._each(lambda node: self._engine.execute(node, script, timeout=60).output)
        return [line.split()[1] for output in outputs for line in output.splitlines() if line.startswith("killed ")]

    def trouble(self) -> str:
        """The last words of each node's container and kubelet, for a log file when a cluster could not be made."""
        parts = []
        for container in self._containers:
            parts.append(f"== {container.name} ({container.state})\n{self._engine.logs(container.name, 40)}")
            if container.state == "running":
                units = [
                    "journalctl",
                    "--no-pager",
                    "-n",
                    "80",
                    "-u",
                    "kubelet",
                    "-u",
                    "containerd",
                    "-u",
                    "mlstack-images",
                ]
                parts.append(self._engine.execute(container.name, units, timeout=30).output)
        return "\n".join(parts)

    def _run(self, node: str, argv: Sequence[str]) -> Process:
        result = self._engine.execute(node, argv, timeout=60)
        if result.code:
            raise MlstackError(
                "node.runtime",
                f"the container runtime of {node} does not answer",
                why=result.errors.strip()[-400:],
                remedy="run `mlstack stop` and `mlstack start`",
            )
        return result

    def _each(self, work: Callable[[str], T]) -> list[T]:
        with ThreadPoolExecutor(max(1, len(self._containers))) as pool:
            return list(pool.map(work, [container.name for container in self._containers]))


def parse_images(listing: str) -> dict[str, str]:
    """``ctr images ls`` as name -> digest; names that are digests themselves are left out."""
    images = {}
    for line in listing.splitlines()[1:]:
        name, _kind, digest, *_rest = [*line.split(), "", "", ""]
        if digest.startswith("sha256:") and ":" in name and "@" not in name and not name.startswith("sha256:"):
            images[name] = digest
    return images
