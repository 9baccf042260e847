"""Wires the cluster providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlstack.core.budget import quantity
from mlstack.core.errors import MlstackError
from mlstack.core.events import Emit
from mlstack.core.model import Object
from mlstack.core.ports import ClusterProvider

if TYPE_CHECKING:
    from mlstack.app.session import Session
    from mlstack.providers.checks import Need


def make_provider(session: Session) -> ClusterProvider:
    """The provider the configuration names."""
    return _existing(session) if session.config.provider.type == "existing" else _kind(session)


def _existing(session: Session) -> ClusterProvider:
    from mlstack.providers.existing import ExistingProvider, is_default_class

    def classes() -> Iterator[Object]:
        return (obj for stack in session.stacks for obj in stack.objects if obj["kind"] == "StorageClass")

    options = session.config.provider.existing
    return ExistingProvider(
        kubeconfig_path(session),
        options.context,
        session.connect,
        storage_class=options.storage_class,
        brings_class=lambda: any(map(is_default_class, classes())),
    )


def _kind(session: Session) -> ClusterProvider:
    from mlstack.providers.kind import KindProvider

    def revive(emit: Emit, step: str) -> None:
        """Starts a dead engine by the host playbook, where the host may be changed."""
        if not session.config.host.changes:
            raise MlstackError(
                "engine.unreachable",
                "the container engine does not answer",
                remedy="start it, or allow mlstack to (host.changes: true)",
            )
        result = session.playbooks.run("engine-start.yml", {}, emit, step)
        if not result.ok:
            raise result.error or MlstackError("engine.failed", "the container engine could not be started")

    return KindProvider(
        engine=session.engine,
        shell=session.artifacts.shell,
        images=session.images,
        host=session.host,
        paths=session.paths,
        node=session.node,
        connect=session.connect,
        revive=revive,
        need=lambda: need(session),
    )


def kubeconfig_path(session: Session) -> Path:
    """The kubeconfig of an existing cluster: the configured one, ``KUBECONFIG``'s first, the user's own."""
    given = session.config.provider.existing.kubeconfig
    if given:
        return Path(given)
    named = session.environ.get("KUBECONFIG", "").split(":")[0]
    return Path(named) if named else Path(session.environ.get("HOME", "/")) / ".kube" / "config"


def need(session: Session) -> Need:
    """What must be free on the host: disk for what is not cached yet, memory and cores of the profile."""
    from mlstack.providers.checks import Need

    profile = session.profile
    disk = int(quantity(profile.disk_run))
    images = session.images
    refs = list(session.artifacts.contexts)
    missing = [ref for ref in refs if images.cached(ref) is None]
    # A cold build's peak is measured for the whole set; the part that is missing decides how much of it is still to come.
    disk = (
        round(disk + (int(quantity(profile.disk_build)) - disk) * len(missing) / max(len(refs), 1))
        if missing
        else disk // 2
    )
    profiles = [
        (int(quantity(one.host_memory)), one.host_cpus, name) for name, one in session.release.spec.profiles.items()
    ]
    return Need({session.paths.cache: disk}, int(quantity(profile.host_memory)), profile.host_cpus, profiles)
