"""The page of what is supported, made from the catalogue, the release and the document of systems."""

from __future__ import annotations

from pathlib import Path

from mlstack.core.releasefile import Release
from mlstack.core.stackfile import Stack
from mlstack.core.supportfile import Support, System
from mlstack.core.yamldoc import load, validate

FILE = "stacks/support.yaml"
PAGE = "../support-matrix.md"
"""Where the page is, seen from the reference."""


def support_page(data: Path, note: str) -> str:
    """Every system of the field, with the stack that is it or what to use. Raises Problems on an invalid document."""
    support = validate(Support, load((data / FILE).read_text(encoding="utf-8"), FILE))
    releases = sorted((data / "stacks/releases").glob("*.yaml"))
    shown = releases[-1]
    release = validate(Release, load(shown.read_text(encoding="utf-8"), str(shown.relative_to(data))))
    rows = [
        _row(system, release, data)
        for system in sorted(support.systems, key=lambda one: (not one.stack, one.name.lower()))
    ]
    return "\n".join(
        [
            f"{note}\n# What is supported\n",
            f'Release {release.metadata.name}. "In profiles" says which of its profiles have the stack; others are switched on',
            "with `stacks.NAME.enabled` or `mlstack addon enable`. arm64, cgroup v2, Ubuntu, Fedora, macOS, WSL2 and upstream's",
            "own images of these stacks were tried nowhere.",
            "",
            "| system | here | in profiles | verified | to know |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(system: System, release: Release, data: Path) -> str:
    spec = release.spec
    version = system.version or {**spec.stacks, **spec.addons}.get(system.stack, "")
    here = f"`{system.stack}` {version}" if system.stack else "-"
    if system.version and _stack(data, system).spec.availability == "registry":
        here += ", images from a registry only"
    profiles = ", ".join(name for name, profile in spec.profiles.items() if system.stack in profile.stacks)
    profiles = "" if system.version else profiles
    return f"| {system.name} | {here} | {profiles or '-'} | {system.verified or '-'} | {system.use or '-'} |"


def _stack(data: Path, system: System) -> Stack:
    """The document of a row that names a version; an OSError where the catalogue has no such one."""
    file, addon = (data / part / system.stack / system.version / "stack.yaml" for part in ("stacks", "addons"))
    file = addon if addon.is_file() else file
    return validate(Stack, load(file.read_text(encoding="utf-8"), str(file)))
