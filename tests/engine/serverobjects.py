"""Objects for tests on a real API server: applied as `mlstack up` applies them, or made for a test's time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes


def apply_all(admin: kubernetes.client.ApiClient, objects: Iterable[dict[str, Any]]) -> None:
    """Applies one after the other on the server's side; a definition may come right before objects of its kind."""
    dynamic = kubernetes.dynamic.DynamicClient(admin)
    for one in objects:
        kind, metadata = dynamic.resources.get(api_version=one["apiVersion"], kind=one["kind"]), one["metadata"]
        who = {"field_manager": "mlstack", "force_conflicts": True}
        kind.server_side_apply(one, metadata["name"], metadata.get("namespace"), **who)


@contextmanager
def made(admin: kubernetes.client.ApiClient, objects: Iterable[dict[str, Any]]) -> Iterator[None]:
    """Objects that are there as long as the block."""
    dynamic = kubernetes.dynamic.DynamicClient(admin)
    there = []
    try:
        for one in objects:
            kind, where = dynamic.resources.get(api_version=one["apiVersion"], kind=one["kind"]), one["metadata"]
            kind.create(body=one, namespace=where.get("namespace"))
            there.append((kind, where))
        yield
    finally:
        for kind, where in there:
            kind.delete(name=where["name"], namespace=where.get("namespace"))
