"""Names of configuration values outside the file: ``MLSTACK_*`` variables and ``--set path=value``, turned into path and value.

A variable's name is the path in capitals, words and steps joined by one underscore: ``MLSTACK_PROVIDER_KIND_NODES`` is
``provider.kind.nodes``, ``MLSTACK_STACKS_ARGO_WORKFLOWS_PARAMS_LOG_LEVEL`` is ``stacks.argo-workflows.params.logLevel``.
Values are YAML; an empty variable counts as not set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from mlstack.core.config import Config
from mlstack.core.errors import ExitCode, MlstackError, Place, did_you_mean
from mlstack.core.validation import annotations_at
from mlstack.core.yamldoc import examine

PREFIX = "MLSTACK_"
SHORT = {"MLSTACK_CACHE_DIR": ("paths", "cache"), "MLSTACK_STATE_DIR": ("paths", "state")}
"""Variables with a name of their own."""
OTHER = {
    "MLSTACK_CONFIG": "Path of the configuration file, as `--file`.",
    "MLSTACK_DATA_DIR": "Directory with `stacks`, `addons` and `playbooks` to use instead of the shipped one.",
    "MLSTACK_UI": "`true` or `false`: whether `mlstack up` shows its landing page, as `--ui` and `--no-ui`.",
}
"""Variables that are no configuration value."""
CLIENT = frozenset({"MLSTACK_URL", "MLSTACK_TOKEN", "MLSTACK_CA", "MLSTACK_HOST", "MLSTACK_PORT"})
"""What ``mlstack connect`` sets for programs of one's own, beside ``MLSTACK_LOGIN_*``; mlstack itself never reads it."""
RESERVED = ("MLSTACK_TEST_", "MLSTACK_E2E_", "MLSTACK_BENCH_", "MLSTACK_LOGIN_")
"""Beginnings of names that are for others, such as the project's own suites; never reported as unknown."""
_FIXED = ("apiVersion", "kind")
_PART = re.compile(r'(?:^|\.)(?:"(?P<quoted>[^"]+)"|(?P<name>[^.\[\]"=]+))|\[(?P<index>[0-9]+)\]')
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
ConfigPath = tuple[str, ...]


def variables() -> dict[str, ConfigPath]:
    """Every variable with a fixed name -> its path. Those of stacks, addons, ports hold a name and are not listed."""
    found = {_variable(path): path for path, _ in _fields(Config, ())}
    return {**found, **SHORT}


def from_environment(environ: Mapping[str, str]) -> tuple[list[tuple[str, ConfigPath, Any]], list[MlstackError]]:
    """(variable, path, value) of every ``MLSTACK_*`` variable that is set, and an error for each that nothing reads."""
    known = variables()
    found: list[tuple[str, ConfigPath, Any]] = []
    problems: list[MlstackError] = []
    for name in sorted(environ):
        others = name in OTHER or name in CLIENT or name.startswith(RESERVED)
        if not name.startswith(PREFIX) or others or not environ[name]:
            continue
        path = known.get(name) or _named(name)
        if path is None:
            remedy = did_you_mean(name, [*known, *OTHER])
            problems.append(
                _error("config.unknown-variable", "nothing reads this variable", f"variable {name}", remedy)
            )
            continue
        try:
            found.append((name, path, value_at(path, environ[name])))
        except MlstackError as error:
            problems.append(_error(error.code, error.what, f"variable {name}", error.remedy))
    return found, problems


def parse_set(text: str) -> tuple[ConfigPath, Any]:
    """Path and value of a ``--set`` argument. Raises ``config.set-syntax`` when it is not ``path=value``."""
    path, equals, value = text.partition("=")
    parts = parse_path(path.strip())
    if not equals or not parts:
        remedy = "write --set path=value, for example --set provider.kind.nodes=3"
        raise _error("config.set-syntax", "not of the form path=value", f"--set {path}", remedy)
    return parts, value_at(parts, value)


def parse_path(text: str) -> ConfigPath:
    """The parts of ``a.b."c.d"``; empty when the text is no path. List items cannot be addressed one by one."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match["index"] is not None:
            return ()
        parts.append(match["quoted"] or match["name"])
        position = match.end()
    return tuple(parts)


def value_at(path: Sequence[str], text: str) -> Any:
    """The YAML value of a text, but the text itself where the configuration wants a string (``cpus: 2``)."""
    kinds = annotations_at(Config, path)
    document = examine(text)
    if str in kinds and not isinstance(document.data, (dict, list)):
        return text
    if document.problems:
        place = Place(path=".".join(path))
        remedy = "write a YAML value; quote it if it is text"
        raise MlstackError("config.value", "not a YAML value", remedy=remedy, place=place, exit_code=ExitCode.USAGE)
    return document.data


def _fields(model: type[BaseModel], prefix: ConfigPath) -> Iterator[tuple[ConfigPath, Any]]:
    """The leaves of the model with a fixed path."""
    for name, field in model.model_fields.items():
        path = (*prefix, field.alias or name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, path)
        elif path[0] not in ("stacks", "addons") and path not in [(fixed,) for fixed in _FIXED]:
            yield path, kind


def _variable(path: Sequence[str]) -> str:
    return PREFIX + "_".join(_WORD.sub("_", part).replace("-", "_").upper() for part in path)


def _named(variable: str) -> ConfigPath | None:
    """The path of a variable that holds a name: of a stack, an addon or an endpoint."""
    words = variable.removeprefix(PREFIX)
    for part, inner in (("STACKS_", "stacks"), ("ADDONS_", "addons")):
        if words.startswith(part):
            return _stack_path(inner, words.removeprefix(part))
    port = words.removeprefix("PROVIDER_KIND_PORTS_")
    return ("provider", "kind", "ports", _dashed(port)) if port != words and port else None


def _stack_path(section: str, words: str) -> ConfigPath | None:
    match = re.fullmatch(r"(?P<name>[A-Z0-9_]+?)_(?:(?P<field>VERSION|ENABLED)|PARAMS_(?P<param>[A-Z0-9_]+))", words)
    if match is None:
        return None
    if match["field"]:
        return (section, _dashed(match["name"]), match["field"].lower())
    first, *rest = match["param"].lower().split("_")
    return (section, _dashed(match["name"]), "params", first + "".join(word.capitalize() for word in rest))


def _dashed(words: str) -> str:
    return words.lower().replace("_", "-")


def _error(code: str, what: str, where: str, remedy: str) -> MlstackError:
    return MlstackError(code, what, remedy=remedy, place=Place(where), exit_code=ExitCode.USAGE)
