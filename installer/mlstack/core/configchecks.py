"""Checks of a merged configuration that need more than one value: the release and profile it names, ports, the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlstack.core.alternatives import CHOSEN_BY
from mlstack.core.config import DEFAULT, Origin
from mlstack.core.configkeys import ConfigPath
from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.peopleconfig import SECTIONS, parsed, people_problems
from mlstack.core.releasefile import Release
from mlstack.core.yamltree import Document, dotted

Merged = Mapping[ConfigPath, tuple[Any, Origin]]
"""Path of each value -> the value and where it came from."""


def find_release(
    merged: Merged,
    releases: Mapping[str, Release],
    document: Document | None,
    problems: list[MlstackError],
) -> Release | None:
    """The release that is asked for, the newest one otherwise; its profile is checked here."""
    if not releases:
        return None
    name = str(value_of(merged, ("release",)) or max(releases))
    release = releases.get(name)
    if release is None:
        problems.append(_unknown("config.unknown-release", "release", name, list(releases), merged, document))
        return None
    profile = str(value_of(merged, ("profile",)) or release.spec.default_profile)
    if profile not in release.spec.profiles:
        problems.append(
            _unknown("config.unknown-profile", "profile", profile, list(release.spec.profiles), merged, document)
        )
        return None
    for path, capability in CHOSEN_BY.items():
        choice, offered = value_of(merged, path), release.spec.alternatives.get(capability, {})
        if choice and choice not in offered:
            what = f"release {name} has no {'.'.join(path)} '{choice}'"
            remedy = did_you_mean(str(choice), list(offered))
            problems.append(config_error("config.unknown-choice", what, _place(path, merged, document), remedy))
    return release


def cross_checks(merged: Merged, document: Document | None) -> list[MlstackError]:
    """Rules between values that may come from different sources."""
    problems: list[MlstackError] = []
    if value_of(merged, ("artifacts", "source")) == "bundle" and not value_of(merged, ("artifacts", "bundle")):
        place = _place(("artifacts", "source"), merged, document)
        remedy = "set artifacts.bundle to the bundle's path, or another artifacts.source"
        problems.append(
            config_error("config.bundle-missing", "artifacts come from a bundle, but none is named", place, remedy)
        )
    issuer = ("tls", "issuer")
    if value_of(merged, issuer) == "cert-manager" and not value_of(merged, ("tls", "issuerRef", "name")):
        what, remedy = "cert-manager is to issue certificates, but no issuer is named", "set tls.issuerRef.name"
        problems.append(config_error("config.issuer-missing", what, _place(issuer, merged, document), remedy))
    problems += _issuer(merged, document)
    seen: dict[int, str] = {}
    for path in merged:
        port = merged[path][0]
        if path[:3] != ("provider", "kind", "ports") or not isinstance(port, int):
            continue
        if port in seen:
            what = f"port {port} is given to '{seen[port]}' and '{path[3]}'"
            place = _place(path, merged, document)
            problems.append(
                config_error("config.port-twice", what, place, "give each endpoint its own port, or 'auto'")
            )
        seen.setdefault(port, path[3])
    return problems + _people(merged, document)


def _people(merged: Merged, document: Document | None) -> list[MlstackError]:
    def place(section: str, *path: str | int) -> Place:
        origin = merged[(section,)][1]
        if origin.kind == "file" and document is not None:
            return document.place_of((section, *path))
        return Place(str(origin), 0, dotted((section, *path)))

    users, groups, profiles = (parsed(model, value_of(merged, (name,))) for name, model in SECTIONS.items())
    return list(people_problems(users, groups, profiles, place))


def _issuer(merged: Merged, document: Document | None) -> list[MlstackError]:
    """What an issuer of somebody else lacks, where users log in there."""
    if value_of(merged, ("auth", "provider")) != "oidc":
        return []
    lacking = [
        name
        for name in ("issuer", "clientId", "clientSecret")
        if not any(value for path, (value, _) in merged.items() if path[:3] == ("auth", "oidc", name))
    ]
    origin = _place(("auth", "provider"), merged, document)
    return [
        config_error(
            "config.issuer-incomplete",
            f"users log in at an issuer of somebody else, but auth.oidc.{name} is not given",
            Place(origin.file, origin.line, f"auth.oidc.{name}"),
            "give issuer, clientId and clientSecret ({env: NAME} or {file: path}) under auth.oidc",
        )
        for name in lacking
    ]


def value_of(merged: Merged, path: ConfigPath) -> Any:
    """The value at a path, None where nobody gave one."""
    return merged[path][0] if path in merged else None


def _place(path: ConfigPath, merged: Merged, document: Document | None) -> Place:
    origin = merged[path][1] if path in merged else DEFAULT
    if origin.kind == "file" and document is not None:
        return document.place_of(path)
    return Place(str(origin), 0, ".".join(path))


def _unknown(
    code: str,
    noun: str,
    name: str,
    known: list[str],
    merged: Merged,
    document: Document | None,
) -> MlstackError:
    place = _place((noun,), merged, document)
    return config_error(code, f"there is no {noun} '{name}'", place, did_you_mean(name, known))


def config_error(code: str, what: str, place: Place, remedy: str) -> MlstackError:
    """An error of the user's input."""
    return MlstackError(code, what, remedy=remedy, place=place, exit_code=ExitCode.USAGE)
