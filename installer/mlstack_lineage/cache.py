"""The execution cache of one namespace: which finished step gave which fingerprint. What KFP's TaskService keeps for all
namespaces together, and answers without asking who wants to know, is kept here for one.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from pathlib import Path
from typing import Any

from mlstack_lineage.messages import ListTasksResponse, Task

NEEDED = ("pipelineName", "runId", "mlmdExecutionID", "fingerprint")
KEYS = {"fingerprint": "fingerprint", "pipelineName": "pipeline", "namespace": "namespace"}
"""What a search may name: the field's name in KFP -> the column."""
MOST = 200
"""Entries in one answer."""


class BadTask(Exception):
    """A request that cannot be served; the text says why."""


class OtherNamespace(Exception):
    """A request for a namespace that is not this one."""


class ExecutionCache:
    """One SQLite file; the newest entry of a fingerprint counts, so that it grows with pipelines, not with runs."""

    def __init__(self, path: Path, namespace: str) -> None:
        self._namespace, self._lock = namespace, threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS tasks (number INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL,"
            " pipeline TEXT NOT NULL, fingerprint TEXT NOT NULL, task BLOB NOT NULL, UNIQUE (pipeline, fingerprint))"
        )

    def add(self, task: Any) -> Any:
        """Keeps the task and gives it back with its id. Raises BadTask, OtherNamespace."""
        missing = [name for name in NEEDED if not getattr(task, name)]
        if missing:
            raise BadTask(f"a task needs {', '.join(missing)}")
        self._check(task.namespace or self._namespace)
        first, _, rest = task.pipelineName.partition("/")
        if first == "namespace":
            self._check(rest.partition("/")[0])
        kept = Task()
        kept.CopyFrom(task)
        kept.id, kept.namespace = str(uuid.uuid4()), self._namespace
        row = (self._namespace, kept.pipelineName, kept.fingerprint, kept.SerializeToString())
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO tasks (namespace, pipeline, fingerprint, task) VALUES (?, ?, ?, ?)", row
            )
        return kept

    def find(self, filter_text: str, size: int) -> Any:
        """The tasks that a filter names, newest first. Raises BadTask, OtherNamespace."""
        wanted = _equal(filter_text)
        self._check(wanted.get("namespace") or self._namespace)
        where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        most = min(max(size, 1), MOST) if size else MOST
        with self._lock:
            rows = self._database.execute(
                f"SELECT task FROM tasks WHERE {where} ORDER BY number DESC LIMIT ?",  # noqa: S608 - columns are ours
                [*wanted.values(), most],
            ).fetchall()
        tasks = [Task.FromString(task) for (task,) in rows]
        return ListTasksResponse(tasks=tasks, total_size=len(tasks))

    def close(self) -> None:
        """Ends the use of the file."""
        with self._lock:
            self._database.close()

    def _check(self, namespace: str) -> None:
        if namespace != self._namespace:
            raise OtherNamespace(f"this is the cache of namespace {self._namespace}")


def _equal(text: str) -> dict[str, str]:
    """column -> value of a filter, which is a JSON text of KFP's Filter message. Raises BadTask."""
    try:
        predicates = json.loads(text or "{}").get("predicates", [])
        found = {KEYS[one["key"]]: one["stringValue"] for one in predicates if one["op"] == "EQUALS"}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadTask(f"a filter compares {', '.join(KEYS)} with a text") from None
    if len(found) != len(predicates) or not all(isinstance(value, str) for value in found.values()):
        raise BadTask("a filter names each field once, with EQUALS and a text")
    return found
