"""Puts a configuration together: flag over environment over file over release over built-in default, and keeps every origin.

Each source is checked on its own, so that all problems of all sources come at once and each names its own place.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlstack.core.alternatives import CHOSEN_BY, with_choices
from mlstack.core.config import Config, Origin, Resolved, flatten
from mlstack.core.configchecks import Merged, config_error, cross_checks, find_release, value_of
from mlstack.core.configkeys import ConfigPath, from_environment, parse_set
from mlstack.core.errors import ExitCode, MlstackError, Place, Problems
from mlstack.core.releasefile import Release
from mlstack.core.yamldoc import Document, examine, validate

HEAD = {"apiVersion": "mlstack/v1alpha1", "kind": "Config"}
FILES = (
    ("provider", "existing", "kubeconfig"),
    ("artifacts", "credentials"),
    ("artifacts", "bundle"),
    ("network", "ca"),
    ("auth", "oidc", "ca"),
    ("auth", "oidc", "clientSecret", "file"),
    ("paths", "cache"),
    ("paths", "state"),
)
"""Values that are paths: relative ones count from the configuration file's directory, or from the working directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gave. text: the file's content, None without a file; directory: of the file; cwd: of the process;
    sets: ``--set`` arguments; flags: dotted path -> value of the flag named like its last part; releases: name -> the tested
    sets that are shipped; choices: dotted path -> what a command (``addon enable``) chose before, between release and file."""

    text: str | None = None
    file: str = ""
    directory: str = ""
    cwd: str = ""
    home: str = ""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    sets: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)
    releases: Mapping[str, Release] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Values of one source. base: the directory its relative paths count from."""

    leaves: tuple[tuple[ConfigPath, Any, Origin], ...]
    base: str = ""


def resolve(given: Given) -> Resolved:
    """The valid configuration with the origin of every value.

    Raises Problems with everything wrong in the file, the variables and the flags (``yaml.*``, ``document.*``, ``config.*``).
    """
    problems: list[MlstackError] = []
    document = examine(given.text, given.file) if given.text is not None else None
    sources = (
        _choice_layer(given, problems),
        _file_layer(document, given, problems),
        _environment_layer(given, problems),
        _flag_layer(given, problems),
    )
    layers = [_at_home(layer, given.home) for layer in sources]
    merged = _merge(layers)
    release = find_release(merged, given.releases, document, problems)
    if release is not None:
        merged = _merge([_release_layer(release, merged), *layers])
    problems += cross_checks(merged, document)
    if problems:
        raise _all(problems, given.file)
    data = _nested({path: value for path, (value, _) in merged.items()})
    origins = {path: origin for path, (_, origin) in merged.items()}
    config = validate(Config, Document({**HEAD, **data}, given.file))
    return Resolved(config, origins, release, given.file if document else "", document)


def _choice_layer(given: Given, problems: list[MlstackError]) -> _Layer:
    leaves: list[tuple[ConfigPath, Any, Origin]] = []
    for dotted_path, value in given.choices.items():
        leaves += _checked(
            tuple(dotted_path.split(".")), value, Origin("choice", "by command"), "chosen by command", problems
        )
    return _Layer(tuple(leaves))


def _file_layer(document: Document | None, given: Given, problems: list[MlstackError]) -> _Layer:
    if document is None:
        return _Layer(())
    document = replace(document, data=_without_nulls(document.data))
    wanted = None
    try:
        validate(Config, document)
    except Problems as found:
        problems += found.problems
        wanted = [("release",), ("profile",)]
    leaves = []
    for path, value in flatten(document.data) if isinstance(document.data, dict) else []:
        if path not in (("apiVersion",), ("kind",)) and (wanted is None or path in wanted):
            place = document.place_of(path)
            leaves.append((path, value, Origin("file", f"{place.file}:{place.line}")))
    return _Layer(tuple(leaves), given.directory)


def _without_nulls(data: Any) -> Any:
    """The data without fields that have no value: ``provider:`` alone on a line counts as left out."""
    if not isinstance(data, dict):
        return data
    return {name: _without_nulls(value) for name, value in data.items() if value is not None}


def _environment_layer(given: Given, problems: list[MlstackError]) -> _Layer:
    found, wrong = from_environment(given.environ)
    problems += wrong
    leaves: list[tuple[ConfigPath, Any, Origin]] = []
    for name, path, value in found:
        leaves += _checked(path, value, Origin("env", name), f"variable {name}", problems)
    return _Layer(tuple(leaves), given.cwd)


def _flag_layer(given: Given, problems: list[MlstackError]) -> _Layer:
    leaves: list[tuple[ConfigPath, Any, Origin]] = []
    for text in given.sets:
        try:
            path, value = parse_set(text)
        except MlstackError as error:
            problems.append(error)
            continue
        leaves += _checked(path, value, Origin("flag", "--set"), f"--set {'.'.join(path)}", problems)
    for dotted_path, value in given.flags.items():
        path = tuple(dotted_path.split("."))
        if value is not None:
            flag = f"--{path[-1]}"
            leaves += _checked(path, value, Origin("flag", flag), flag, problems)
    return _Layer(tuple(leaves), given.cwd)


def _checked(
    path: ConfigPath, value: Any, origin: Origin, label: str, problems: list[MlstackError]
) -> Iterator[tuple[ConfigPath, Any, Origin]]:
    """The leaves of one value given outside the file, or its problems; none for ``null``, which stands for not given."""
    if value is None:
        return
    data: Any = value
    for part in reversed(path):
        data = {part: data}
    try:
        validate(Config, Document({**HEAD, **data}))
    except Problems as found:
        for problem in found.problems:
            inner = problem.place.path if problem.place else ""
            problems.append(config_error(problem.code, problem.what, Place(label, 0, inner), problem.remedy))
        return
    for leaf, inner_value in flatten(data):
        yield leaf, inner_value, origin


def _merge(layers: list[_Layer]) -> dict[ConfigPath, tuple[Any, Origin]]:
    """Later layers win, leaf by leaf; nothing (``null``) takes a value back to what the layers below say."""
    merged: dict[ConfigPath, tuple[Any, Origin]] = {}
    for layer in layers:
        for path, value, origin in layer.leaves:
            if value is None:
                continue
            related = [leaf for leaf in merged if leaf[: len(path)] == path or path[: len(leaf)] == leaf]
            if value == {} and related:
                continue
            for leaf in related:
                del merged[leaf]
            merged[path] = (value, origin)
    return merged


def _at_home(layer: _Layer, home: str) -> _Layer:
    """The layer with its paths made absolute; ``~/`` is the user's home directory."""
    return replace(
        layer,
        leaves=tuple((path, _absolute(path, value, layer.base, home), origin) for path, value, origin in layer.leaves),
    )


def _absolute(path: ConfigPath, value: Any, base: str, home: str) -> Any:
    if path in FILES and isinstance(value, str) and value:
        return _join(base, value, home)
    if path == ("provider", "kind", "mounts") and isinstance(value, list):
        return [{**mount, "host": _join(base, mount["host"], home)} for mount in value]
    return value


def _join(base: str, value: str, home: str) -> str:
    expanded = posixpath.join(home, value[2:]) if value.startswith("~/") and home else value
    return posixpath.normpath(posixpath.join(base, expanded))


def _release_layer(release: Release, merged: Merged) -> _Layer:
    """What the release says: its name, the profile, and version and presence of each of its stacks."""
    spec = release.spec
    profile = str(value_of(merged, ("profile",)) or spec.default_profile)
    present = with_choices(spec, profile, {what: str(value_of(merged, path) or "") for path, what in CHOSEN_BY.items()})
    named = Origin("release", release.metadata.name)
    chosen = Origin("release", f"{release.metadata.name}, profile {profile}")
    leaves: list[tuple[ConfigPath, Any, Origin]] = [
        (("release",), release.metadata.name, named),
        (("profile",), profile, named),
    ]
    for stack, version in spec.stacks.items():
        leaves.append((("stacks", stack, "version"), version, named))
        leaves.append((("stacks", stack, "enabled"), stack in present, chosen))
    for addon, version in spec.addons.items():
        leaves.append((("addons", addon, "version"), version, named))
        leaves.append((("addons", addon, "enabled"), False, named))
    return _Layer(tuple(leaves))


def _nested(leaves: Mapping[ConfigPath, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for path, value in leaves.items():
        inner = data
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return data


def _all(problems: list[MlstackError], file: str) -> Problems:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    where = f" (file {file})" if file else ""
    return Problems("config.invalid", f"{count} in the configuration{where}", problems, ExitCode.USAGE)
