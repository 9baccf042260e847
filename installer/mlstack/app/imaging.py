"""``mlstack images``: what is needed and cached, obtaining ahead of time, loading, trimming."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlstack.app import observing
from mlstack.core.actions import Action, LoadImage, ObtainImage, Plan, Report
from mlstack.core.desired import Facts
from mlstack.core.errors import MlstackError
from mlstack.core.resolve import unknown
from mlstack.core.results import ImageInfo, PruneResult

if TYPE_CHECKING:
    from mlstack.app.session import Session


def images(session: Session) -> list[ImageInfo]:
    """Every image the configuration needs."""
    owners = {image.ref: stack.name for stack in session.stacks for image in stack.images}
    refs = [*(ref for ref in session.artifacts.contexts if ref not in _all_of_stacks(session)), *owners]
    loaded = observing.observe_cluster(session).images
    return [_info(session, ref, owners.get(ref, "node"), ref in loaded) for ref in refs]


def _all_of_stacks(session: Session) -> set[str]:
    return {image.ref for chosen in session.selection.stacks for image in chosen.entry.document.spec.images}


def _info(session: Session, ref: str, owner: str, loaded: bool) -> ImageInfo:
    record = session.images.cached(ref)
    if record is None:
        source, why = session.images.source_of(ref)
        return ImageInfo(ref=ref, stack=owner, cached=False, source=f"{source} ({why})", loaded=loaded)
    return ImageInfo(
        ref=ref,
        stack=owner,
        cached=True,
        size=record.size,
        source=record.source.value,
        digest=record.digest,
        loaded=loaded,
    )


def build(session: Session, refs: Sequence[str]) -> Report:
    """Obtains images and, when all are wanted, the host tools' programs with them."""
    wanted = _wanted(session, refs)
    facts = Facts(host=observing.host_facts(session, frozenset()), cluster=observing.observe_cluster(session))
    if facts.host.changes and any(session.images.cached(ref) is None for ref in wanted):
        raise MlstackError(
            "images.host-unprepared",
            "this host lacks what building needs",
            why="; ".join(facts.host.changes),
            remedy="run `mlstack doctor --fix`",
        )
    actions = [ObtainImage(id=f"image:{ref}", title=f"Obtain {ref}", group="images", ref=ref) for ref in wanted]
    return _run(session, "images build", actions, facts)


def load(session: Session, refs: Sequence[str]) -> Report:
    """Loads images that the nodes lack into a running cluster."""
    with observing.reader(session):
        pass  # a clear error where nothing runs
    cluster = observing.observe_cluster(session)
    owned = {image.ref for stack in session.stacks for image in stack.images}
    wanted = [ref for ref in _wanted(session, refs) if ref in owned and (refs or ref not in cluster.images)]
    actions: list[Action] = []
    for ref in wanted:
        obtain = ObtainImage(id=f"image:{ref}", title=f"Obtain {ref}", group="images", ref=ref)
        needs = frozenset({obtain.id})
        actions += [obtain, LoadImage(id=f"load:{ref}", title=f"Load {ref}", group="images", ref=ref, needs=needs)]
    return _run(
        session, "images load", actions, Facts(host=observing.host_facts(session, frozenset()), cluster=cluster)
    )


def _wanted(session: Session, refs: Sequence[str]) -> list[str]:
    used = [image.ref for stack in session.stacks for image in stack.images]
    known = [*(ref for ref in session.artifacts.contexts if ref not in _all_of_stacks(session)), *used]
    for ref in refs:
        if ref not in known:
            raise unknown("image", ref, known)
    return list(refs) or known


def _run(session: Session, command: str, actions: Sequence[Action], facts: Facts) -> Report:
    from mlstack.app.lifecycle import run_plan

    return run_plan(session, command, Plan(session.name, command, tuple(actions)), facts)


def prune(session: Session, everything: bool) -> PruneResult:
    """Deletes images that this configuration does not need, and what only builds need; with ``everything`` all images too.

    Images of other configurations come back from their recipes when they are needed.
    """
    from mlstack.artifacts import prune as pruning

    backends = session.artifacts.images
    before = pruning.usage(session.paths)
    freed = pruning.prune(backends.store, set() if everything else backends.keys())
    freed += pruning.trim(session.paths, backends.store)
    if everything:
        _forget_node_images(session)
    after = pruning.usage(session.paths)
    parts = dataclasses.asdict(before)
    removed = tuple(name for name, size in parts.items() if size > getattr(after, name))
    return PruneResult(removed=removed, freed=freed, left=after.total)


def _forget_node_images(session: Session) -> None:
    """Takes node images that no node uses out of the engine; an engine that does not run holds them until the next time."""
    try:
        session.provider.purge()
    except MlstackError as error:
        if error.code != "engine.unreachable":
            raise
        session.warn("the container engine does not answer: node images in it stay")
