"""Leaves the record by which the next ``up`` can tell that nothing has changed (``app.unchanged``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.app import choices, unchanged
from mlstack.core.tls import RENEW_BEFORE

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.core.desired import Facts

UNIX = "unix://"
USUAL_SOCKET = "/var/run/docker.sock"
CLOCK = 0.05
"""Seconds that the clock of a file system may lag behind."""


@dataclass
class EngineLook:
    """What the container engine says of a kind cluster, read in the background before the run looks itself: what changes in
    between makes the record worthless, never wrong. socket: empty where the engine is reached in another way."""

    socket: str
    cluster: str
    _digest: str = ""
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True, name="engine look")
        self._thread.start()

    def _read(self) -> None:
        from mlstack.adapters.looking import FAULTS, engine_digest

        try:
            self._digest = engine_digest(self.socket, self.cluster) if self.socket else ""
        except FAULTS:
            self._digest = ""

    def end(self) -> dict[str, str] | None:
        """What goes into the record; None when the engine could not be read."""
        self._thread.join()
        return {"socket": self.socket, "cluster": self.cluster, "digest": self._digest} if self._digest else None


def look_at_engine(session: Session) -> EngineLook | None:
    """Begins to read the engine where the cluster is in its containers."""
    if session.config.provider.type != "kind":
        return None
    from mlstack.adapters.docker import engine_host

    host = engine_host(session.environ) or UNIX + USUAL_SOCKET
    return EngineLook(host.removeprefix(UNIX) if host.startswith(UNIX) else "", session.name)


def settle(session: Session, facts: Facts, engine: EngineLook | None) -> dict[str, Any] | None:
    """The record of a run that found nothing to do; None where it could not be trusted.

    That is so where what was read is not all there is (secrets and authorities that the user gives, an issuer elsewhere), and
    where inputs may have changed since they were read.
    """
    if not session.looks.complete:
        return None
    config = session.config
    if facts.given or config.network.ca or config.auth.provider == "oidc":
        return None
    files, roots = _files(session), _trees(session)
    if unchanged.newest(files, roots) >= unchanged.STARTED - CLOCK:
        return None
    found = engine.end() if engine else None
    if engine and not found:
        return None
    ends = [one.ends - RENEW_BEFORE for one in facts.certificates.values()]
    existing = config.provider.existing
    return {
        "until": min(ends, default=float("inf")),
        "environ": unchanged.environ_digest(session.environ),
        "files": unchanged.versions(files),
        "trees": unchanged.trees(roots),
        "kubeconfig": str(session.provider.kubeconfig(session.spec).absolute()),
        "context": existing.context if config.provider.type == "existing" else "",
        "looks": session.looks.all(),
        "engine": found,
    }


def _files(session: Session) -> list[str]:
    from mlstack.adapters.paths import CONFIG_NAME

    paths = [
        session.directory / choices.FILE,
        session.provider.kubeconfig(session.spec).absolute(),
        session.paths.cache / "store" / "index",
        Path(session.resolved.file or CONFIG_NAME).absolute(),
    ]
    return [str(path) for path in paths]


def _trees(session: Session) -> list[str]:
    data = [session.paths.data / name for name in ("stacks", "addons")]
    images = sorted(path for path in unchanged.PROGRAM.parent.glob("mlstack_*") if path.is_dir())
    return [str(path) for path in (*data, unchanged.PROGRAM, *images)]


def keep(session: Session, asked: unchanged.Asked, settled: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Writes the record. asked: the command line; told: what its run said, to be said again."""
    unchanged.write(session.directory, {**settled, "asked": asked, "told": told})
