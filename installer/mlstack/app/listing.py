"""What there is to choose from: stacks, addons, samples, versions. Of the cluster it reads only what is installed."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlstack import __version__
from mlstack.app import observing
from mlstack.core.errors import MlstackError
from mlstack.core.fitting import from_registry_only
from mlstack.core.results import ParamInfo, SampleInfo, StackInfo, VersionInfo
from mlstack.core.sample import samples_of
from mlstack.core.stackfile import Param
from mlstack.engine.inventory import read_inventories

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlstack.app.session import Session
    from mlstack.core.catalogue import Entry


def param_infos(declared: Mapping[str, Param], values: Mapping[str, Any]) -> tuple[ParamInfo, ...]:
    """Parameters with their present values."""
    return tuple(
        ParamInfo(
            name=name,
            type=param.type,
            default=param.default,
            doc=param.doc,
            value=values.get(name, param.default),
            allowed=_allowed(param),
        )
        for name, param in declared.items()
    )


def _allowed(param: Param) -> str:
    if param.values:
        return ", ".join(param.values)
    bounds = [("at least", param.min), ("at most", param.max)]
    if param.min is not None and param.max is not None:
        return f"{param.min:g} to {param.max:g}"
    return " ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None) or param.pattern


def samples(session: Session) -> list[SampleInfo]:
    """The samples of the chosen stacks."""
    return [
        SampleInfo(
            name=name,
            stack=chosen.entry.name,
            summary=sample.metadata.summary,
            seconds=sample.metadata.seconds,
            params=param_infos(sample.spec.params, {}),
        )
        for name, (chosen, sample) in samples_of(session.selection).items()
    ]


UNREAD = "unknown"
"""Said of what is installed when a cluster runs but cannot be asked; the catalogue is listed all the same."""


def installed_versions(session: Session) -> Callable[[str], str]:
    """The version of a stack that is in the cluster by the stack's name: empty where it, or the cluster, is not."""
    try:
        with observing.reader(session) as kube:
            found = read_inventories(kube, session.name)
    except MlstackError as error:
        unread = "" if error.code == "cluster.not-running" else UNREAD
        return lambda _: unread
    return lambda name: found[name].version if name in found else ""


def stack_infos(session: Session, *, addons: bool) -> list[StackInfo]:
    """Every stack or every addon of the release."""
    spec = session.release.spec
    chosen = {one.entry.name: one for one in session.selection.stacks}
    known = spec.addons if addons else spec.stacks
    extra = [one.entry for one in chosen.values() if one.entry.is_addon == addons and one.entry.name not in known]
    names = [*known, *(entry.name for entry in extra)]
    installed = installed_versions(session)
    infos = []
    for name in names:
        on = chosen.get(name)
        entry = on.entry if on else session.catalogue.entry(name, known[name])
        info = _info(session, entry, on is not None, on.values if on else {})
        infos.append(replace(info, installed=installed(name)))
    return infos


def _registry_only(session: Session, entry: Entry) -> tuple[str, ...]:
    versions = session.catalogue.versions(entry.name)
    entries = [entry if one == entry.version else session.catalogue.entry(entry.name, one) for one in versions]
    return tuple(one.version for one in entries if from_registry_only(one))


def _info(session: Session, entry: Entry, enabled: bool, values: Mapping[str, Any]) -> StackInfo:
    spec, metadata = entry.document.spec, entry.document.metadata
    return StackInfo(
        name=entry.name,
        version=entry.version,
        versions=tuple(session.catalogue.versions(entry.name)),
        summary=metadata.summary,
        enabled=enabled,
        registry_only=_registry_only(session, entry),
        license=metadata.license,
        homepage=metadata.homepage,
        requires=tuple(spec.requires),
        provides=tuple(spec.provides),
        params=param_infos(spec.params, values),
        images=tuple(image.ref for image in spec.images),
        endpoints=tuple(endpoint.name for endpoint in spec.endpoints),
        samples=tuple(sample.metadata.name for sample in entry.samples),
    )


def version(session: Session) -> VersionInfo:
    """Versions for a bug report."""
    return VersionInfo(
        mlstack=__version__,
        release=session.release.metadata.name,
        kubernetes=session.release.spec.kubernetes,
        python=platform.python_version(),
        platform=platform.platform(),
        components={chosen.entry.name: chosen.entry.version for chosen in session.selection.stacks},
    )
