"""Reads the configuration of an invocation and finds the shipped data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from mlstack.adapters.catalog import DataCatalogue
from mlstack.adapters.paths import find_data, find_paths, given_of
from mlstack.app.choices import FILE, Choices
from mlstack.app.session import Session
from mlstack.core.configlayers import resolve
from mlstack.core.events import Emit
from mlstack.core.ports import Cancelled


class Load(Protocol):
    """Where the configuration comes from (``cli.usecases.LoadOptions``)."""

    @property
    def file(self) -> Path | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def sets(self) -> tuple[str, ...]: ...
    @property
    def flags(self) -> Mapping[str, Any]: ...
    @property
    def environ(self) -> Mapping[str, str]: ...


def open_session(load: Load, emit: Emit, cancelled: Cancelled) -> Session:
    """The session of one invocation. Raises Problems (``config.*``) and ``paths.no-data``."""
    environ = load.environ or os.environ
    catalogue = DataCatalogue(find_data(environ))
    releases = {name: catalogue.release(name) for name in catalogue.releases()}
    given = given_of(load.file, environ, sets=load.sets, flags={"name": load.name, **load.flags})
    given = replace(given, releases=releases)
    resolved = resolve(given)
    paths = find_paths(environ, resolved.config.paths.cache, resolved.config.paths.state)
    # What commands remembered belongs to an instance, and only the configuration tells which one is meant.
    choices = Choices(paths.instance(resolved.config.name) / FILE)
    if choices.settings:
        resolved = resolve(replace(given, choices=choices.settings))
    return Session(resolved, paths, catalogue, choices, environ, emit, cancelled)
