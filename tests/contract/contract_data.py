"""The shipped catalogue, rendered once a session: upstream sources come from the registries or the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlstack.adapters.catalog import DataCatalogue, FileCache
from mlstack.adapters.download import HttpDownload
from mlstack.adapters.paths import find_paths
from mlstack.adapters.shell import HostShell
from mlstack.artifacts.goproxy import GoProxy
from mlstack.artifacts.sources import Sources
from mlstack.artifacts.store import Store
from mlstack.core.catalogue import Entry
from mlstack.core.context import ExternalFacts, RenderFacts
from mlstack.core.desired import RenderedStack
from mlstack.core.golden import GOLDEN_FACTS
from mlstack.core.releasefile import Release
from mlstack.core.render import Renderer
from mlstack.core.resolve import Choice, Selection, home_choices, profile_of, resolve
from mlstack.core.stackfile import Param
from mlstack.core.versions import newest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = DataCatalogue(ROOT)
ENTRIES = [(name, version) for name in CATALOGUE.names() for version in CATALOGUE.versions(name)]
RELEASES = list(CATALOGUE.releases())
FACTS = replace(GOLDEN_FACTS, instance="contract", external=ExternalFacts())


@dataclass
class Workshop:
    """Renders entries of the catalogue together with what they require, at their defaults unless told otherwise."""

    renderer: Renderer
    release: Release
    done: dict[str, tuple[Selection, tuple[RenderedStack, ...]]] = field(default_factory=dict)

    def select(self, name: str, version: str, **params: Any) -> Selection:
        choices = home_choices(self.release, name, Choice(version=version, params=params, enabled=True))
        return resolve(CATALOGUE, self.release, self.home(name, version), choices=choices)

    def home(self, name: str, version: str) -> str:
        return profile_of(self.release, name, CATALOGUE.entry(name, version).document.spec.requires)

    def offer(self, name: str, version: str, sample: str) -> Selection:
        """The selection of a profile in which an entry's sample can run: the entry's own one where it can."""
        choices = home_choices(self.release, name, Choice(version=version, enabled=True))
        for profile in (self.home(name, version), *self.release.spec.profiles):
            selection = resolve(CATALOGUE, self.release, profile, choices=choices)
            if sample in [one.metadata.name for _, one in selection.samples]:
                return selection
        raise LookupError(f"no profile has what sample {sample} needs")

    def render(self, name: str, version: str, facts: RenderFacts = FACTS, **params: Any) -> RenderedStack:
        """The entry's own part of a rendering of the whole selection."""
        return next(one for one in self.render_all(name, version, facts, **params) if one.name == name)

    def render_all(
        self, name: str, version: str, facts: RenderFacts = FACTS, **params: Any
    ) -> tuple[RenderedStack, ...]:
        """The entry and all that is selected with it."""
        key = repr((name, version, facts, sorted(params.items())))
        if key not in self.done:
            selection = self.select(name, version, **params)
            self.done[key] = selection, self.renderer.render(selection, facts)
        return self.done[key][1]


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    paths = find_paths(os.environ)
    proxy = GoProxy(HttpDownload(), HostShell(), paths.downloads, paths.go / "mod")
    sources = Sources(proxy, HttpDownload(), paths.downloads, Store(paths.store))
    release = CATALOGUE.release(newest(CATALOGUE.releases()))
    return Workshop(Renderer(sources.read, FileCache(paths.cache / "upstream")), release)


@pytest.fixture(params=ENTRIES, ids=lambda pair: "-".join(pair), scope="session")
def entry(request: pytest.FixtureRequest) -> Entry:
    return CATALOGUE.entry(*request.param)


@pytest.fixture
def rendered(workshop: Workshop, entry: Entry) -> RenderedStack:
    return workshop.render(entry.name, entry.version)


def variations(params: Mapping[str, Param]) -> list[dict[str, Any]]:
    """Every parameter once at each of its other values: allowed values, bounds, examples, the other boolean."""
    found: list[dict[str, Any]] = []
    for name, param in params.items():
        values: list[Any] = [*param.values, *param.examples]
        values += [bound for bound in (param.min, param.max) if bound is not None]
        values += [not param.default] if param.type == "boolean" else []
        typed = [int(value) if param.type == "integer" else value for value in values]
        found += [{name: value} for value in typed if value != param.default]
    return found
