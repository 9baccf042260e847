"""What a run read of the cluster, reduced to versions: a second read with the same digest met the very same objects. Pure."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

SKIPPED = ("/api", "/apis")
"""Discovery: that the list of a kind is answered shows that the kind is served."""
UNSETTLED = "/leases/"
"""The single-writer Lease, which every run makes anew, says nothing about the platform."""
ABSENT = "absent"


class Look(NamedTuple):
    """One read. path: of a list or an object; selector: of labels, empty for none; form: see ``form_of``; digest: see
    ``digest_of``."""

    path: str
    selector: str
    form: str
    digest: str


def form_of(answer: Any) -> str:
    """``list`` and ``object`` can be asked for again as metadata only; anything else is ``other``."""
    if not isinstance(answer, Mapping):
        return "other"
    return "list" if "items" in answer else "object" if "metadata" in answer else "other"


def digest_of(answer: Any) -> str:
    """The digest of an answer; ABSENT for None.

    Of objects only uid and resourceVersion count: the server gives each write a version of its own (Kubernetes API conventions,
    "Concurrency control and consistency"), so that equal digests mean equal objects. Other answers count as they are.
    """
    if answer is None:
        return ABSENT
    objects = answer.get("items", [answer]) or []
    try:
        lines = sorted(f"{one['metadata']['uid']} {one['metadata']['resourceVersion']}" for one in objects)
    except (KeyError, TypeError):
        lines = [json.dumps(answer, sort_keys=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Looks:
    """Collects the reads of a run, from several threads. complete: false once one could not be told apart by path and selector,
    or gave two answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str, str], str] = {}
        self.complete = True

    def take(self, path: str, query: Mapping[str, str], answer: Any) -> None:
        """A read and its answer, None where there was nothing."""
        if path in SKIPPED or UNSETTLED in path:
            return
        digest, key = digest_of(answer), (path, query.get("labelSelector", ""), form_of(answer))
        with self._lock:
            self.complete &= not set(query) - {"labelSelector"} and self._found.setdefault(key, digest) == digest

    def all(self) -> tuple[Look, ...]:
        """The reads so far."""
        with self._lock:
            return tuple(Look(*key, digest) for key, digest in sorted(self._found.items()))
