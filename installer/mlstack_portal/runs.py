"""Runs: the newest ones of all kinds in a list, and what there is to say of each in a line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from mlstack.core.model import Object
from mlstack.core.sample import LABEL_SAMPLE
from mlstack_portal.cluster import WORKFLOW, Cluster, Kind
from mlstack_portal.forms import ANNOTATION_BY
from mlstack_portal.offer import Offer
from mlstack_portal.profiles import Reach
from mlstack_portal.subjects import Subject, kinds, run_path, subject_of

PAGE = 20
"""Runs on one page of the list."""
STATES = {"Succeeded": "ready", "Failed": "failed", "Error": "failed"}
"""Phase -> how it is coloured; all others are ``starting``."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. path: of its page; state: ``ready``, ``failed`` or ``starting``, for colours; seconds: so far, or in all once
    it ended."""

    name: str
    namespace: str
    path: str
    sample: str
    by: str
    phase: str
    state: str
    began: str
    seconds: float
    message: str
    done: bool


async def newest(cluster: Cluster, offer: Offer, reach: Reach, page: int) -> tuple[list[Run], bool]:
    """(the runs of one page, newest first; whether older ones follow). Raises ClusterError.

    The list is read without specs and states: a week of runs with all their steps would not fit the portal's memory.
    """
    spaces = [""] if reach.admin else reach.namespaces()
    lists = [_listed(cluster, kind, space) for kind in kinds(offer) for space in spaces]
    found = [pair for part in await asyncio.gather(*lists) for pair in part]
    found.sort(key=lambda pair: (pair[1]["metadata"]["creationTimestamp"], pair[1]["metadata"]["name"]), reverse=True)
    shown = found[(page - 1) * PAGE : page * PAGE]
    read = [
        (kind, await cluster.get(kind, obj["metadata"]["namespace"], obj["metadata"]["name"])) for kind, obj in shown
    ]
    runs = [run_of(subject_of(offer, kind, obj), obj) for kind, obj in read if obj]
    return runs, len(found) > page * PAGE


async def _listed(cluster: Cluster, kind: Kind, namespace: str) -> list[tuple[Kind, Object]]:
    """All workflows; of other kinds those that samples made, and not what such a one made of its own (the jobs of a search)."""
    selector = "" if kind == WORKFLOW else LABEL_SAMPLE
    found = await cluster.objects(kind, namespace, selector=selector, metadata_only=True)
    own = found if kind == WORKFLOW else [obj for obj in found if not obj["metadata"].get("ownerReferences")]
    return [(kind, obj) for obj in own]


def run_of(subject: Subject, obj: Object) -> Run:
    """An object as a run."""
    metadata, state = obj["metadata"], subject.state
    phase, (told, ended) = state.phase(obj), state.times(obj)
    began = told or str(metadata["creationTimestamp"])
    return Run(
        name=metadata["name"],
        namespace=metadata["namespace"],
        path=run_path(subject.kind, metadata["namespace"], metadata["name"]),
        sample=subject.sample.sample.metadata.name if subject.sample else "",
        by=(metadata.get("annotations") or {}).get(ANNOTATION_BY, ""),
        phase=phase,
        state=STATES.get(phase, "starting"),
        began=began,
        seconds=_between(began, ended),
        message=state.message(obj),
        done=state.finished(obj),
    )


def _between(began: str, ended: str) -> float:
    """Seconds; until now where it has not ended."""
    end = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
    return max(0.0, (end - datetime.fromisoformat(began)).total_seconds())
