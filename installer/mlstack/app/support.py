"""``mlstack support-bundle``: what a bug report needs in one archive. Secrets' values are never read, and text is redacted."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstack.app import observing
from mlstack.app.doctor import doctor
from mlstack.app.listing import version
from mlstack.app.reading import pods_of, status
from mlstack.core.errors import MlstackError
from mlstack.core.ports import Kube
from mlstack.core.redact import redact_strictly

if TYPE_CHECKING:
    from mlstack.app.session import Session

LOG_LINES = 500
LOG_BYTES = 1 << 20
"""The end of a log file that goes into the bundle."""


def support_bundle(session: Session, path: Path) -> Path:
    """Writes the archive with mode 0600. A part that cannot be had is replaced by the reason."""
    parts: dict[str, Callable[[], str]] = {
        "version.json": lambda: _json(version(session)),
        "config.txt": lambda: "\n".join(
            f"{name} = {value!r} ({origin})" for name, value, origin in session.resolved.leaves()
        ),
        "doctor.json": lambda: _json(doctor(session, fix=False)),
        "status.json": lambda: _json(status(session)),
        "objects.txt": lambda: "\n".join(_objects(session)),
        "events.txt": lambda: "\n".join(_events(session)),
    }
    contents = {name: _part(make) for name, make in parts.items()}
    contents |= _pod_logs(session) | _files(session)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as sink, tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in sorted(contents.items()):
            data = redact_strictly(text).encode()
            info = tarfile.TarInfo(f"mlstack-support/{name}")
            info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
            archive.addfile(info, io.BytesIO(data))
    return path


def _part(make: Callable[[], str]) -> str:
    try:
        return make()
    except MlstackError as error:
        return f"not available: {error}"


def _json(value: Any) -> str:
    def plain(item: object) -> object:
        return dataclasses.asdict(item) if dataclasses.is_dataclass(item) and not isinstance(item, type) else str(item)

    return json.dumps(value, default=plain, indent=1)


def _objects(session: Session) -> Iterator[str]:
    """Every pod and workload with its state; no specification, so no environment."""
    with observing.reader(session) as kube:
        for api, kind in (
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("apps/v1", "DaemonSet"),
            ("v1", "PersistentVolumeClaim"),
        ):
            resource = kube.resource(api, kind)
            for obj in kube.list(resource) if resource else []:
                yield f"{kind}/{obj['metadata'].get('namespace')}/{obj['metadata']['name']} {json.dumps(obj.get('status', {}))}"


def _events(session: Session) -> Iterator[str]:
    with observing.reader(session) as kube:
        resource = kube.resource("v1", "Event")
        for event in kube.list(resource) if resource else []:
            about = event.get("involvedObject", {})
            where = f"{about.get('kind')}/{about.get('namespace')}/{about.get('name')}"
            yield f"{event.get('lastTimestamp')} {event.get('type')} {where} {event.get('reason')}: {event.get('message')}"


def _pod_logs(session: Session) -> dict[str, str]:
    try:
        with observing.reader(session) as kube:
            found = {}
            for chosen in session.selection.stacks:
                for pod in pods_of(kube, chosen.entry.name):
                    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
                    for container in pod["spec"]["containers"]:
                        found[f"logs/{namespace}/{name}/{container['name']}.log"] = _part(
                            partial(_log, kube, namespace, name, container["name"])
                        )
            return found
    except MlstackError as error:
        return {"logs/unavailable.txt": str(error)}


def _log(kube: Kube, namespace: str, pod: str, container: str) -> str:
    return "\n".join(kube.logs(namespace, pod, container, tail=LOG_LINES))


def _files(session: Session) -> dict[str, str]:
    """The instance's journal and logs, their ends only."""
    found = {}
    for path in [session.directory / "journal.jsonl", *sorted((session.directory / "logs").glob("*.log"))]:
        if path.is_file():
            found[f"files/{path.name}"] = path.read_bytes()[-LOG_BYTES:].decode(errors="replace")
    return found
