"""What the artifact backends are told by the configuration, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlstack.core.model import ImageSource


@dataclass(frozen=True, slots=True)
class ArtifactSettings:
    """source: where images may come from, for all; per_image: ref -> source where one differs.

    bundles: OCI layouts (directories or tar files) looked into, in order; mirrors: registry host -> mirrors asked first;
    goproxy: a GOPROXY list, empty: the environment's; architecture: empty: the host's; python: an interpreter with pip,
    empty: this one. probe_timeout: seconds a registry host has to answer the one question that is asked of it a run.
    """

    source: ImageSource = ImageSource.AUTO
    per_image: Mapping[str, ImageSource] = field(default_factory=dict)
    bundles: Sequence[Path] = ()
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    goproxy: str = ""
    architecture: str = ""
    python: str = ""
    probe_timeout: float = 4.0
